// SPDX-License-Identifier: Apache-2.0
// Fuzzed bytes as a package file: in memory, and with what every change breaks put right.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/opnf/reader.h"

namespace openinfer::fuzz {

/// A file that lives as long as the object.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::uint8_t> bytes) : fd_(::memfd_create("package", 0)) {
    if (fd_ < 0 || ::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// The bytes with the header's file size and checksum as they must be; nothing if the header is too broken for that.
inline std::optional<std::vector<std::uint8_t>> repaired(std::span<const std::uint8_t> input) {
  if (input.size() < 64) return std::nullopt;
  std::vector<std::uint8_t> bytes(input.begin(), input.end());
  const std::uint64_t file_size = bytes.size();
  std::uint64_t index_end = 0;
  std::memcpy(&index_end, bytes.data() + 48, 8);
  if (index_end < 64 || index_end > file_size) return std::nullopt;
  std::memcpy(bytes.data() + 24, &file_size, 8);
  const std::uint64_t sum = opnf::xxh64(bytes.data() + 64, index_end - 64, opnf::xxh64(bytes.data(), 56));
  std::memcpy(bytes.data() + 56, &sum, 8);
  return bytes;
}

}  // namespace openinfer::fuzz
