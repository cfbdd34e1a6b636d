// Files that appear whole or not at all, whatever ends the process.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "model.h"

namespace MODEL_NAME {

/// What an OutputFile is writing into, for whoever ends the process; null where none is. There is one at a time.
inline std::atomic<const char*> unfinished_file{nullptr};

/// What ends a process from outside waits until this is gone. To be made in the thread of catch_signals(), to which the
/// others hand signals over; a thread that is started meanwhile never hands over any.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t ending;
    ::sigemptyset(&ending);
    for (const int number : {SIGHUP, SIGINT, SIGTERM}) ::sigaddset(&ending, number);
    ::pthread_sigmask(SIG_BLOCK, &ending, &before_);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

/// What is there and no regular file (/dev/stdout).
inline bool is_in_place(const std::string& path) {
  struct stat there;
  return ::stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode);
}

/// A file that appears whole or not at all: written beside its name first, in a file that nobody else has, or in place.
/// In the thread of catch_signals().
class OutputFile {
 public:
  explicit OutputFile(std::string path) : path_(std::move(path)), part_(path_) {
    if (is_in_place(path_))
      file_ = std::fopen(path_.c_str(), "wb");
    else
      open_part();
    if (!file_) throw Error(path_ + ": " + std::strerror(errno));
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() {
    if (file_) std::fclose(file_);
    if (file_ && part_ != path_) std::remove(part_.c_str());
    unfinished_file = nullptr;
  }
  void write(const void* bytes, std::size_t size) {
    if (std::fwrite(bytes, 1, size, file_) != size) throw Error(path_ + ": " + std::strerror(errno));
  }
  void commit() {
    const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
    if (closed && (part_ == path_ || std::rename(part_.c_str(), path_.c_str()) == 0)) return;
    const std::string why = std::strerror(errno);
    if (part_ != path_) std::remove(part_.c_str());
    throw Error(path_ + ": " + why);
  }

 private:
  void open_part() {
    const SignalsHeld held;  // no signal finds a file that unfinished_file does not name yet
    for (int n = 0; !file_ && (n == 0 || errno == EEXIST); ++n) {
      part_ = path_ + "." + std::to_string(::getpid()) + "-" + std::to_string(n) + ".part";
      file_ = std::fopen(part_.c_str(), "wbx");  // x: not what is there, nor through a link
    }
    if (file_) unfinished_file = part_.c_str();
  }

  std::string path_, part_;
  std::FILE* file_ = nullptr;
};

// Of the process, as signal handlers are.
inline std::string cut_line;     // what package_was_cut says
inline pthread_t ending_thread;  // which signals end

// Only what is safe in a signal handler happens in these.

inline void remove_unfinished() {
  if (const char* part = unfinished_file) ::unlink(part);
}
/// A page of the mapped package has no file behind it any more.
inline void package_was_cut(int) {
  static std::atomic_flag said = ATOMIC_FLAG_INIT;
  while (said.test_and_set()) ::pause();  // another thread met the same cut first, and ends the process
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, cut_line.data(), cut_line.size());
  remove_unfinished();
  ::_exit(1);
}
inline void end_on_signal(int number) {
  if (!::pthread_equal(::pthread_self(), ending_thread)) {  // which may hold signals: SignalsHeld
    ::pthread_kill(ending_thread, number);
    return;
  }
  remove_unfinished();
  ::signal(number, SIG_DFL);
  ::raise(number);  // behind this handler
}

/// From now on a signal that ends the process, and a package that is cut while it is mapped, which `cut` tells, leave
/// no unfinished_file. The calling thread is main()'s, which outlives the others.
inline void catch_signals(std::string cut) {
  cut_line = std::move(cut);
  ending_thread = ::pthread_self();
  ::signal(SIGBUS, package_was_cut);
  ::signal(SIGXFSZ, SIG_IGN);  // a write beyond the limit of a file's size fails, as on a full disk
  for (const int number : {SIGHUP, SIGINT, SIGTERM})
    if (::signal(number, end_on_signal) == SIG_IGN) ::signal(number, SIG_IGN);  // as nohup leaves it
}

}  // namespace MODEL_NAME
