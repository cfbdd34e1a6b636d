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
namespace {

constexpr const char* kOwnFiles = "/proc/self/fd/";

}  // namespace

AtomicFile::AtomicFile(std::string path, Special special) : path_(std::move(path)) {
  struct stat status {};
  const bool exists = ::stat(path_.c_str(), &status) == 0;
  if (!exists && ::lstat(path_.c_str(), &status) == 0) throw Error(Code::io, path_ + ": is a link that leads nowhere");
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
  if (::access(kOwnFiles, X_OK) == 0)  // the way to name it later
    fd_ = ::open(folder.empty() ? "." : folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
  if (fd_ >= 0) return;
  const bool made = name_it([&](const char* name) {
    fd_ = ::open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return fd_ >= 0;
  });
  if (!made) failed("create");
}

bool AtomicFile::name_it(const std::function<bool(const char*)>& make) const {
  const std::string folder = folder_of(path_);
  const std::string start = folder + "." + path_.substr(folder.size()) + "." + std::to_string(::getpid()) + ".";
  const unfinished::Hold hold;
  for (int number = 0;; ++number) {  // another one, if a writer beside us or a killed one with our id has it
    const std::string name = start + std::to_string(number) + ".tmp";
    if (make(name.c_str())) {
      temporary_ = name;
      unfinished::add(name);
      return true;
    }
    if (errno != EEXIST) return false;
  }
}

bool AtomicFile::link_to(const char* name) const {
  const std::string own = kOwnFiles + std::to_string(fd_);
  return ::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
}

const std::string& AtomicFile::write_path() const {
  if (in_place_ || committed_) return path_;
  if (temporary_.empty() && !name_it([&](const char* name) { return link_to(name); })) failed("name");
  return temporary_;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      in_place_(other.in_place_),
      committed_(other.committed_) {}

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
  if (!in_place_ && temporary_.empty()) return;  // closed, it would be gone
  if (::close(std::exchange(fd_, -1)) != 0) failed("close");
}

void AtomicFile::commit() {
  if (in_place_) return;
  const unfinished::Hold hold;
  const bool linked = temporary_.empty() && link_to(path_.c_str());  // one step, where there is no file to replace
  if (temporary_.empty() && !linked && errno != EEXIST) failed("name");
  if (!linked && std::rename(write_path().c_str(), path_.c_str()) != 0) failed("rename");
  if (!linked) unfinished::drop(temporary_);
  temporary_.clear();
  committed_ = true;
  if (fd_ >= 0 && ::close(std::exchange(fd_, -1)) != 0) failed("close");
}

void AtomicFile::revoke() {
  if (in_place_) return;
  if (committed_) ::unlink(path_.c_str());
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
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
