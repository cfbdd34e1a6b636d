// SPDX-License-Identifier: Apache-2.0
#include "lib/base/input_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace openinfer {
namespace {

constexpr int kPatienceMs = 2000;

bool is_pipe(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

/// Is there a writer, or what one has left, in a pipe that was opened not to block?
bool has_writer(std::FILE* pipe) {
  pollfd end = {::fileno(pipe), POLLIN, 0};
  if (::poll(&end, 1, kPatienceMs) != 0) return true;  // bytes, or a writer that came and went
  // Still nothing to read: without a writer that is the end of the file, with one it would be waited for.
  errno = 0;
  const int first = std::fgetc(pipe);
  const bool silent = first == EOF && errno == EAGAIN;
  std::clearerr(pipe);
  return silent || std::ungetc(first, pipe) != EOF;
}

}  // namespace

InputFile open_input(const std::string& path, std::string& why) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // without it a pipe waits for its writer
  InputFile file(fd < 0 ? nullptr : ::fdopen(fd, "rb"));
  if (!file) {
    why = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    return nullptr;
  }
  if (is_pipe(fd) && !has_writer(file.get())) {
    why = "is a pipe that nobody writes to";
    return nullptr;
  }
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  return file;
}

}  // namespace openinfer
