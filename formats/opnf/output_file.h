// SPDX-License-Identifier: Apache-2.0
// A package file on its way: buffered, hashed as it is written, atomic.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "formats/opnf/atomic_file.h"
#include "formats/opnf/xxh64_stream.h"

namespace opnf {

class OutputFile {
 public:
  explicit OutputFile(std::string path);

  /// Sequential writes. seek forwards leaves zeros. Errors: io (no space …), with the path.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }
  void seek(std::uint64_t to);
  std::uint64_t position() const { return position_; }
  /// XXH64 of everything from the first byte to the current position.
  std::uint64_t hash() const { return hash_.digest(); }
  void write_at(std::uint64_t offset, std::string_view bytes);  // not hashed
  void finish();                                                // fsync
  void rename_to(std::string path) { file_.rename_to(std::move(path)); }
  void commit() { file_.commit(); }
  void revoke() { file_.revoke(); }

 private:
  void flush();

  AtomicFile file_;
  std::string buffer_;
  std::uint64_t position_ = 0;
  Xxh64Stream hash_;
};

}  // namespace opnf
