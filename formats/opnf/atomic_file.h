// SPDX-License-Identifier: Apache-2.0
// A file that appears whole or not at all: until commit() it has no name, so that a process that is killed leaves
// nothing behind, or, where the file system has no such files, a temporary one in its folder. Packages and everything
// that the command writes go through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

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
  void finish();  // fsync
  /// The name that commit() gives, in the same folder, where it was not known before.
  void rename_to(std::string path) { path_ = std::move(path); }
  void commit();  // gives it its name, after finish()
  void revoke();  // removes the file again, committed or not

  /// Where the bytes are until commit(), under a temporary name from the first call on: for a library that writes to a
  /// path by itself.
  const std::string& write_path() const;

 private:
  [[noreturn]] void failed(const char* what) const;
  void create();
  bool name_it(const std::function<bool(const char*)>& make) const;  // false with errno
  bool link_to(const char* name) const;

  std::string path_;
  mutable std::string temporary_;  // empty without a temporary name
  int fd_ = -1;
  bool in_place_ = false, committed_ = false;
};

/// "a/b/" of "a/b/c", "" of "c".
std::string folder_of(const std::string& path);

/// Makes renames in that file's folder durable.
void sync_folder_of(const std::string& path);

}  // namespace opnf
