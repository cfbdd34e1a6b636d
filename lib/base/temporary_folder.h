// SPDX-License-Identifier: Apache-2.0
// A folder that nobody else has: not another thread, nor a process of the same number in another container.
#pragma once

#include <filesystem>

namespace openinfer {

/// Made with mode 0700 when constructed, removed with all that is in it when destroyed; listed in unfinished.h.
class TemporaryFolder {
 public:
  /// `start`, a dot and six characters that make it a new one: beside a target, a rename between them is atomic.
  /// Errors: std::filesystem::filesystem_error with `start`, so that the caller can say what it was wanted for.
  explicit TemporaryFolder(const std::filesystem::path& start);
  /// In the folder for temporary files ($TMPDIR, else /tmp).
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void keep();  // it stays

 private:
  std::filesystem::path path_;
  bool kept_ = false;
};

}  // namespace openinfer
