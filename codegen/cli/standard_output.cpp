// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/standard_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

[[noreturn]] void cannot_write(int error) {
  fail(ErrorCode::io_error, "[output] standard output cannot be written: {}", std::strerror(error));
}

bool out_is_within_line = false;  // as much the process's as standard output is
int out_error = 0;                // the first flush's that failed: the C library drops its bytes, the next one succeeds

void try_to_flush() {
  errno = 0;
  if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && out_error == 0) out_error = errno != 0 ? errno : EIO;
}

bool one_terminal() {
  struct stat out {
  }, err{};
  return ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1 && ::fstat(STDOUT_FILENO, &out) == 0 &&
         ::fstat(STDERR_FILENO, &err) == 0 && out.st_rdev == err.st_rdev;
}

}  // namespace

void open_standard_files() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0)  // the lowest free descriptor; reading from 0 fails, and writing to the others
      ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void print_bytes(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size()) cannot_write(errno);
  if (!bytes.empty()) out_is_within_line = bytes.back() != '\n';
}

void print_out(std::string_view text) { print_bytes(printable(text, "\n\t")); }

void print_text(std::string_view text) { ::isatty(STDOUT_FILENO) == 1 ? print_out(text) : print_bytes(text); }

void print_err_bytes(std::string_view bytes) { std::fwrite(bytes.data(), 1, bytes.size(), stderr); }

void print_err(std::string_view text) { print_err_bytes(printable(text, "\n\t")); }

void print_beside(std::string_view line) {
  try_to_flush();  // in order; if it cannot be written, flush_out says so
  const bool ends_line = out_is_within_line && one_terminal();
  if (ends_line) out_is_within_line = false;
  print_err_bytes(fmt::format("{}{}\n", ends_line ? "\n" : "", printable(line)));
}

void flush_out() {
  try_to_flush();
  if (out_error != 0) cannot_write(out_error);
}

}  // namespace openinfer::cli
