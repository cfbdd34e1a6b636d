// SPDX-License-Identifier: Apache-2.0
#include "formats/opnf/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "formats/opnf/reader.h"
#include "formats/opnf/unfinished.h"

namespace opnf {

AtomicFile::AtomicFile(std::string path, Special special) : path_(std::move(path)) {
  struct stat status {};
  const bool exists = ::stat(path_.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) throw Error(Code::io, path_ + ": is a directory");
  if (exists && !S_ISREG(status.st_mode)) {
    if (special == Special::refuse) throw Error(Code::io, path_ + ": is no regular file");
    in_place_ = true;
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) failed("open");
    return;
  }
  if (exists && ::access(path_.c_str(), W_OK) != 0) failed("replace");
  create();
  if (exists) ::fchmod(fd_, status.st_mode & 0777);
}

void AtomicFile::create() {
  const std::string folder = folder_of(path_);
  const std::string start = folder + "." + path_.substr(folder.size()) + "." + std::to_string(::getpid()) + ".";
  const unfinished::Hold hold;
  for (int number = 0; fd_ < 0; ++number) {  // another one, if a writer beside us or a killed one with our id has it
    temporary_ = start + std::to_string(number) + ".tmp";
    fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ >= 0) return unfinished::add(temporary_);
  temporary_.clear();
  failed("create");
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      in_place_(other.in_place_) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (temporary_.empty()) return;
  ::unlink(temporary_.c_str());
  unfinished::drop(temporary_);
}

void AtomicFile::failed(const char* what) const {
  throw Error(Code::io, path_ + ": cannot " + what + ": " + std::strerror(errno));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) failed("write");
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
}

void AtomicFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) failed("write");
    offset += static_cast<std::uint64_t>(wrote);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
}

void AtomicFile::finish() {
  if (!in_place_ && ::fsync(fd_) != 0) failed("sync");
  if (::close(std::exchange(fd_, -1)) != 0) failed("close");
}

void AtomicFile::commit() {
  if (in_place_) return;
  const unfinished::Hold hold;
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) failed("rename");
  unfinished::drop(temporary_);
  temporary_.clear();
}

void AtomicFile::revoke() {
  if (!in_place_) ::unlink(write_path().c_str());
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

void sync_folder_of(const std::string& path) {
  const std::string folder = folder_of(path);
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw Error(Code::io, path + ": cannot open its folder: " + std::strerror(errno));
  const int result = ::fsync(fd);
  ::close(fd);
  if (result != 0) throw Error(Code::io, path + ": cannot sync its folder: " + std::strerror(errno));
}

}  // namespace opnf
