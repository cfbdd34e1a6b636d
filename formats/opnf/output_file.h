// SPDX-License-Identifier: Apache-2.0
// A file on its way: it lives under a temporary name in the target's folder until commit() renames it, and is removed
// if that never happens.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "formats/opnf/xxh64_stream.h"

namespace opnf {

class OutputFile {
 public:
  explicit OutputFile(std::string path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  /// Sequential writes. seek forwards leaves zeros. Errors: io (no space …), with the path.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }
  void seek(std::uint64_t to);
  std::uint64_t position() const { return position_; }
  /// XXH64 of everything from the first byte to the current position.
  std::uint64_t hash() const { return hash_.digest(); }
  void write_at(std::uint64_t offset, std::string_view bytes);  // not hashed
  void finish();                                                // fsync
  void commit();                                                // rename
  void revoke();                                                // removes the file again, committed or not

 private:
  [[noreturn]] void failed(const char* what) const;
  void put(std::uint64_t offset, const char* bytes, std::size_t size);
  void flush();

  std::string path_, temporary_, buffer_;
  int fd_ = -1;
  std::uint64_t position_ = 0;
  Xxh64Stream hash_;
  bool exists_ = false;
};

/// Makes renames in that file's folder durable.
void sync_folder_of(const std::string& path);

}  // namespace opnf
