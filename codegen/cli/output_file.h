// SPDX-License-Identifier: Apache-2.0
// A file that appears whole or not at all: written beside its place under another name, renamed by commit().
// Constructed before the work starts, so that a path that cannot be written is known at once.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace openinfer::cli {

class OutputFile {
 public:
  /// Errors: io_error (no such folder, no permission, a directory). What is neither absent nor a regular file
  /// (/dev/null, a pipe) is written in place.
  explicit OutputFile(std::string path);
  ~OutputFile();  // without commit(): nothing stays
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;

  void write(std::string_view text);
  void write(std::span<const std::byte> bytes);
  /// fsync and rename. Errors (of write too): io_error, with the path.
  void commit();

  /// Where the bytes are until commit(): for a library that writes to a path by itself.
  const std::string& write_path() const { return temporary_.empty() ? path_ : temporary_; }

 private:
  [[noreturn]] void fail_here(int error) const;

  std::string path_;
  std::string temporary_;  // empty when written in place
  int fd_ = -1;
};

/// All of it at once.
void write_file(const std::string& path, std::string_view text);

}  // namespace openinfer::cli
