// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

/// Behind a symbolic link the file is replaced, not the link.
std::string resolved(const std::string& path) {
  std::error_code ignored;
  const auto real = std::filesystem::canonical(path, ignored);
  return ignored ? path : real.string();
}

mode_t new_file_mode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

OutputFile::OutputFile(std::string path) : path_(resolved(path)) {
  struct stat status {};
  const bool exists = stat(path_.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) fail_here(EISDIR);
  if (exists && !S_ISREG(status.st_mode)) {
    fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail_here(errno);
    return;
  }
  if (exists && access(path_.c_str(), W_OK) != 0) fail_here(errno);
  const auto slash = path_.rfind('/') + 1;  // npos + 1 is 0
  std::string name = path_.substr(0, slash) + "." + path_.substr(slash) + ".XXXXXX";
  fd_ = mkostemp(name.data(), O_CLOEXEC);
  if (fd_ < 0) fail_here(errno);
  temporary_ = std::move(name);
  fchmod(fd_, exists ? status.st_mode & 0777 : new_file_mode());
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

void OutputFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_here(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void OutputFile::commit() {
  if (!temporary_.empty() && fsync(fd_) != 0) fail_here(errno);
  if (close(std::exchange(fd_, -1)) != 0) fail_here(errno);
  if (temporary_.empty()) return;
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail_here(errno);
  temporary_.clear();
}

void OutputFile::fail_here(int error) const {
  fail(ErrorCode::io_error, "[write] {}: {}", path_, std::strerror(error));
}

void write_file(const std::string& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace openinfer::cli
