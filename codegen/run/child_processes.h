// SPDX-License-Identifier: Apache-2.0
// Programs that this process has started and waits for: the C++ compiler. A program that catches the signals that end
// it ends them too; the library only keeps the list.
#pragma once

#include <string>
#include <vector>

namespace openinfer::run {

/// Runs the program; its output goes to `log`. Returns how it ended: "" if it did its work, and where nobody can tell:
/// in a process that ignores SIGCHLD.
std::string run_program(const std::vector<std::string>& command, const std::string& log);

/// From now on each program that is started leads a process group, with those that it starts: a signal of the terminal
/// no longer reaches it, end_child_processes() does. For a process that calls that when it ends by a signal.
void group_child_processes();

/// Ends what runs, and what that has started; nothing is started after it, and nobody learns of the end. For a process
/// that is about to end. What does not end within a second is killed.
void end_child_processes();

}  // namespace openinfer::run
