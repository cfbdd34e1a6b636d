// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/child_processes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

extern char** environ;

namespace openinfer::run {
namespace {

struct Children {
  std::mutex mutex;
  bool grouped = false;
  std::set<pid_t> running;  // listed until they are waited for: no number here is another process's
};

/// Of the process, as its children are; never destroyed, for a signal may come while the process ends.
Children& children() {
  static Children& the_children = *new Children;
  return the_children;
}

/// Starts it and lists it in one step. Returns errno.
int spawn(pid_t& child, char** argv, const std::string& log) {
  const std::lock_guard lock(children().mutex);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t children_end;  // what is ignored here it would ignore too, and learn nothing of those that it starts
  sigemptyset(&children_end);
  sigaddset(&children_end, SIGCHLD);
  posix_spawnattr_setsigdefault(&attributes, &children_end);
  const int grouped = children().grouped ? POSIX_SPAWN_SETPGROUP : 0;  // of which it is the first: group 0
  posix_spawnattr_setflags(&attributes, static_cast<short>(POSIX_SPAWN_SETSIGDEF | grouped));
  const int error = posix_spawn(&child, argv[0], &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) children().running.insert(child);
  return error;
}

/// Waits for its end, and only then for whoever ends all, so that a child that was ended is nobody's news. Nothing
/// where the system keeps no children's ends: SIGCHLD is ignored.
std::optional<int> wait_for(pid_t child) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) continue;
  const std::lock_guard lock(children().mutex);
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(child, &status, 0)) < 0 && errno == EINTR) continue;
  children().running.erase(child);
  return ended == child ? std::optional(status) : std::nullopt;
}

bool has_ended(pid_t child) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT | WNOHANG) != 0 || info.si_pid == child;
}

}  // namespace

std::string run_program(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  if (const int error = spawn(child, argv.data(), log); error != 0)
    return fmt::format("it cannot be started: {}", std::strerror(error));
  const std::optional<int> status = wait_for(child);
  if (!status) return "";
  if (WIFSIGNALED(*status)) return fmt::format("it was ended by signal {}", WTERMSIG(*status));
  return WEXITSTATUS(*status) == 0 ? "" : fmt::format("it ended with code {} and said nothing", WEXITSTATUS(*status));
}

void group_child_processes() {
  const std::lock_guard lock(children().mutex);
  children().grouped = true;
}

void end_child_processes() {
  children().mutex.lock();
  for (const pid_t child : children().running) {
    // Not the signal that came: what a shell has started in the background ignores an interrupt.
    ::kill(children().grouped ? -child : child, SIGTERM);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (!has_ended(child) && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::kill(children().grouped ? -child : child, SIGKILL);
  }
}

}  // namespace openinfer::run
