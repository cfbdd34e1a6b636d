// SPDX-License-Identifier: Apache-2.0
#include "formats/opnf/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "formats/opnf/reader.h"

namespace opnf {
namespace {

constexpr std::size_t kBuffer = 1 << 20;

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

}  // namespace

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  const std::string folder = folder_of(path_);
  struct stat status {};
  if (::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode))  // renaming would put a file in its place
    throw Error(Code::io, path_ + (S_ISDIR(status.st_mode) ? ": is a directory" : ": is no regular file"));
  temporary_ = folder + "." + path_.substr(folder.size()) + "." + std::to_string(::getpid()) + ".tmp";
  ::unlink(temporary_.c_str());  // of a killed process that had our id
  fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) failed("create");
  exists_ = true;
  buffer_.reserve(kBuffer);
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (exists_) ::unlink(temporary_.c_str());
}

void OutputFile::failed(const char* what) const {
  throw Error(Code::io, path_ + ": cannot " + what + ": " + std::strerror(errno));
}

void OutputFile::put(std::uint64_t offset, const char* bytes, std::size_t size) {
  while (size) {
    const ssize_t wrote = ::pwrite(fd_, bytes, size, static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) failed("write");
    bytes += wrote, offset += static_cast<std::uint64_t>(wrote), size -= static_cast<std::size_t>(wrote);
  }
}

void OutputFile::flush() {
  put(position_ - buffer_.size(), buffer_.data(), buffer_.size());
  buffer_.clear();
}

void OutputFile::write(std::span<const std::byte> bytes) {
  hash_.update(bytes);
  if (buffer_.size() + bytes.size() > kBuffer) flush();
  const auto* from = reinterpret_cast<const char*>(bytes.data());
  if (bytes.size() >= kBuffer)
    put(position_, from, bytes.size());
  else
    buffer_.append(from, bytes.size());
  position_ += bytes.size();
}

void OutputFile::seek(std::uint64_t to) {
  constexpr std::byte kZeros[4096] = {};
  while (position_ < to) write({kZeros, std::min<std::uint64_t>(sizeof kZeros, to - position_)});
}

void OutputFile::write_at(std::uint64_t offset, std::string_view bytes) {
  flush();  // what is buffered may be the zeros that these bytes replace
  put(offset, bytes.data(), bytes.size());
}

void OutputFile::finish() {
  flush();
  if (::fsync(fd_) != 0) failed("sync");
  if (::close(std::exchange(fd_, -1)) != 0) failed("close");
}

void OutputFile::commit() {
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) failed("rename");
  exists_ = false;
}

void OutputFile::revoke() { ::unlink(exists_ ? temporary_.c_str() : path_.c_str()); }

void sync_folder_of(const std::string& path) {
  const std::string folder = folder_of(path);
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw Error(Code::io, path + ": cannot open its folder: " + std::strerror(errno));
  const int result = ::fsync(fd);
  ::close(fd);
  if (result != 0) throw Error(Code::io, path + ": cannot sync its folder: " + std::strerror(errno));
}

}  // namespace opnf
