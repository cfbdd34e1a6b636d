// SPDX-License-Identifier: Apache-2.0
// Writing a project's folder: all of it or nothing.
#include <unistd.h>

#include <fstream>
#include <set>

#include "codegen/emit/project.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

namespace fs = std::filesystem;

/// A folder that goes away with what is in it, unless it was renamed.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {
    fs::remove_all(path_);  // of an emission that was killed and had our number
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void check_target(const fs::path& folder) {
  if (!fs::exists(fs::symlink_status(folder))) return;
  if (!fs::is_directory(folder))
    fail(ErrorCode::invalid_argument, "[emit] {} is there and is no folder", folder.string());
  const bool project = fs::exists(folder / "plan.txt") && fs::is_directory(folder / "device");
  if (!project && !fs::is_empty(folder))
    fail(ErrorCode::invalid_argument, "[emit] {} holds something else than an emitted project: name another folder",
         folder.string());
}

/// What is in the old folder beside the project: its build folder, say.
void keep_the_rest(const fs::path& old_folder, const fs::path& new_folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(old_folder)) {
    const fs::path name = entry.path().filename();
    const bool ours = name == "check" || name == "host" || name == "CMakeLists.txt";  // CUDA's has none of them
    if (!ours && !fs::exists(fs::symlink_status(new_folder / name)))
      fs::rename(entry.path(), new_folder / name);
  }
}

}  // namespace

void write_project(const Files& files, const fs::path& wanted) try {
  fs::path folder = fs::absolute(wanted).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  if (fs::is_symlink(folder)) folder = fs::canonical(folder);
  check_target(folder);
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path());
  const std::string beside = fmt::format("{}.{}", folder.string(), ::getpid());
  const TemporaryFolder now(beside + ".part"), old(beside + ".old");
  for (const auto& [path, text] : files) {
    const fs::path file = now.path() / path;
    fs::create_directories(file.parent_path());
    std::ofstream out(file, std::ios::binary);
    out << text;
    out.close();
    if (!out) fail(ErrorCode::io_error, "[emit] {}: it cannot be written", file.string());
  }
  const bool replaces = fs::exists(folder);
  if (replaces) fs::rename(folder, old.path() / "project");
  try {
    fs::rename(now.path(), folder);
    if (replaces) keep_the_rest(old.path() / "project", folder);
  } catch (...) {  // nothing of the old one is lost
    if (replaces && !fs::exists(folder)) fs::rename(old.path() / "project", folder);
    throw;
  }
} catch (const fs::filesystem_error& error) {
  fail(ErrorCode::io_error, "[emit] {}: {}", error.path1().string(), error.code().message());
}

}  // namespace openinfer::emit
