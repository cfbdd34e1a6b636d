// SPDX-License-Identifier: Apache-2.0
// A file that appears whole or not at all: it lives under a temporary name in its folder until commit() renames it, and
// is removed if that never happens. Packages and everything that the command writes go through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace opnf {

class AtomicFile {
 public:
  /// What to do with a path that is neither absent nor a regular file (/dev/null, a pipe): renaming would replace it.
  enum class Special { refuse, in_place };

  /// Errors, of everything here: io, with the path. A file that may not be written is not replaced either.
  explicit AtomicFile(std::string path, Special special = Special::refuse);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);  // behind what write() wrote before
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  void finish();  // fsync and close
  void commit();  // rename, after finish()
  void revoke();  // removes the file again, committed or not

  /// Where the bytes are until commit(): for a library that writes to a path by itself.
  const std::string& write_path() const { return temporary_.empty() ? path_ : temporary_; }

 private:
  [[noreturn]] void failed(const char* what) const;
  void create();

  std::string path_, temporary_;  // temporary_ is empty when written in place, and after commit()
  int fd_ = -1;
  bool in_place_ = false;
};

/// "a/b/" of "a/b/c", "" of "c".
std::string folder_of(const std::string& path);

/// Makes renames in that file's folder durable.
void sync_folder_of(const std::string& path);

}  // namespace opnf
