// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "codegen/cli/cut_line.h"
#include "codegen/run/child_processes.h"
#include "formats/opnf/unfinished.h"

namespace openinfer::cli {
namespace {

/// A pipe from the handler, in which next to nothing is allowed, to the thread that cleans up. Of the process, as the
/// handler is: it is given nothing but the signal's number.
struct Pipe {
  int read_end = -1, write_end = -1;
};
Pipe& the_pipe() {
  static Pipe pipe;
  return pipe;
}

/// Waits for a signal's number; only a process that is about to end goes on behind it.
void end_on_signal() {
  int number = 0;
  if (::read(the_pipe().read_end, &number, sizeof number) != sizeof number) return;
  run::end_child_processes();  // they write into what is removed
  opnf::unfinished::remove_for_the_end();
  if (number == SIGBUS) ::_exit(1);
  // The handler has put the default action back, but a library may have brought the handler back: NVRTC does.
  ::signal(number, SIG_DFL);
  ::kill(::getpid(), number);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  ::_exit(128 + number);
}

extern "C" void hand_over(int number) {
  [[maybe_unused]] const auto written = ::write(the_pipe().write_end, &number, sizeof number);
}

extern "C" void package_was_cut(int number) {
  static std::atomic_flag said = ATOMIC_FLAG_INIT;
  while (said.test_and_set()) ::pause();  // another thread met the same cut first, and ends the process
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, cut_line().data(), cut_line().size());
  if (the_pipe().write_end < 0) ::_exit(1);
  hand_over(number);
  for (;;) ::pause();  // behind the handler the same access would fail again
}

void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  ::sigaction(number, &action, nullptr);
}

bool is_ignored(int number) {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// Without it signals end the process as they do in any other.
bool start_cleaner() try {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  the_pipe() = {ends[0], ends[1]};
  std::thread(end_on_signal).detach();
  return true;
} catch (const std::system_error&) {
  the_pipe().write_end = -1;
  return false;
}

}  // namespace

void catch_signals() {
  cut_line();
  ::signal(SIGXFSZ, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);  // ignored, as a parent may leave it, nobody could tell how a compiler ended
  const bool cleans = start_cleaner();
  if (cleans) run::group_child_processes();
  handle(SIGBUS, package_was_cut, 0);
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    if (cleans && !is_ignored(number)) handle(number, hand_over, SA_RESTART | static_cast<int>(SA_RESETHAND));
}

}  // namespace openinfer::cli
