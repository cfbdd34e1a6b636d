// SPDX-License-Identifier: Apache-2.0
// The command's way to write files: opnf::AtomicFile, with the command's errors. Constructed before the work starts, so
// that a path that cannot be written is known at once.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "formats/opnf/atomic_file.h"

namespace openinfer::cli {

class OutputFile {
 public:
  /// Behind a symbolic link the file is replaced, not the link; what is no regular file is written in place.
  /// Errors, of everything here: io_error, with the path.
  explicit OutputFile(const std::string& path);

  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void write(std::span<const std::byte> bytes);
  void commit();  // without it nothing stays

  const std::string& write_path() const { return file_.write_path(); }

 private:
  opnf::AtomicFile file_;
};

/// The file that a link leads to; the path itself where there is none.
std::string behind_link(const std::string& path);

/// All of it at once.
void write_file(const std::string& path, std::string_view text);

}  // namespace openinfer::cli
