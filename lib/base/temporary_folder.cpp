// SPDX-License-Identifier: Apache-2.0
#include "lib/base/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "formats/opnf/unfinished.h"

namespace openinfer {

namespace fs = std::filesystem;

namespace {

/// Not std::filesystem::temp_directory_path(), whose error names no folder.
fs::path place() {
  const char* given = std::getenv("TMPDIR");
  return given && *given ? given : "/tmp";
}

}  // namespace

TemporaryFolder::TemporaryFolder(const fs::path& start) {
  std::string name = start.string() + ".XXXXXX";
  const opnf::unfinished::Hold hold;
  if (!::mkdtemp(name.data()))
    throw fs::filesystem_error("cannot make a folder", start, std::error_code(errno, std::generic_category()));
  path_ = name;
  opnf::unfinished::add(name);
}

TemporaryFolder::TemporaryFolder() : TemporaryFolder(place() / "openinfer") {}

void TemporaryFolder::keep() {
  kept_ = true;
  opnf::unfinished::drop(path_.string());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // there is nothing to be done about what cannot be removed
  if (kept_) return;
  fs::remove_all(path_, ignored);
  opnf::unfinished::drop(path_.string());
}

}  // namespace openinfer
