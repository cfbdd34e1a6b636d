// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/standard_output.h"

#include <fcntl.h>
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

}  // namespace

void open_standard_files() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", O_RDONLY);  // the lowest free descriptor; writing to it fails
}

void print_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) cannot_write(errno);
}

void flush_out() {
  if (std::fflush(stdout) != 0) cannot_write(errno);
}

}  // namespace openinfer::cli
