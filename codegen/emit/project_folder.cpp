// SPDX-License-Identifier: Apache-2.0
// Writing a project's folder: all of it or nothing.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "codegen/emit/project.h"
#include "formats/opnf/reader.h"
#include "formats/opnf/unfinished.h"
#include "lib/base/fail.h"
#include "lib/base/temporary_folder.h"

namespace openinfer::emit {
namespace {

namespace fs = std::filesystem;

void write_file(const fs::path& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  errno = file ? 0 : errno;
  const bool written = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  int why = written ? 0 : errno ? errno : EIO;
  if (file && std::fclose(file) != 0 && why == 0) why = errno;  // what was buffered goes out here
  if (why != 0) throw fs::filesystem_error("cannot write", path, std::error_code(why, std::generic_category()));
}

constexpr const char* kManifest = ".emitted";

/// A line "XXH64 path" for each file: how an edit is told from an older emission.
std::string manifest(const Files& files) {
  std::string lines;
  for (const auto& [path, text] : files) lines += fmt::format("{:016x} {}\n", opnf::xxh64(text), path);
  return lines;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The paths that a folder's manifest names, with their checksums. None: there is none that can be read.
std::optional<std::map<std::string, std::string>> read_manifest(const fs::path& folder) {
  std::ifstream lines(folder / kManifest);
  std::map<std::string, std::string> all;
  for (std::string line; std::getline(lines, line);) {
    constexpr std::size_t kDigits = 16;
    if (line.find(' ') != kDigits || line.find_first_not_of("0123456789abcdef") < kDigits) return std::nullopt;
    all.emplace(line.substr(kDigits + 1), line.substr(0, kDigits));
  }
  if (all.empty()) return std::nullopt;
  return all;
}

/// Errors: invalid_argument for a file in a project's place that is there and not as it was emitted: it is the user's.
void check_edits(const fs::path& folder, const std::map<std::string, std::string>& emitted, const Files& files) {
  std::vector<std::string> theirs;
  for (const auto& [path, checksum] : emitted)
    if (fs::is_regular_file(folder / path) && fmt::format("{:016x}", opnf::xxh64(read_file(folder / path))) != checksum)
      theirs.push_back((folder / path).string() + " changed since it was emitted");
  for (const auto& [path, text] : files)
    if (!emitted.contains(path) && fs::exists(fs::symlink_status(folder / path)))
      theirs.push_back((folder / path).string() + " was not emitted, and would be replaced");
  if (!theirs.empty())
    fail(ErrorCode::invalid_argument, "[emit] {}{}: name another folder, or remove what is not to be kept", theirs[0],
         theirs.size() > 1 ? fmt::format(" (and {} more like it)", theirs.size() - 1) : "");
}

/// Folders are exchanged whole. Errors: invalid_argument for one that this process would no longer stand in.
void check_place(const fs::path& folder) {
  std::error_code error;
  fs::path here = fs::current_path(error);
  if (error) return;
  const fs::path part = here.lexically_relative(fs::canonical(folder));
  const bool inside = part == "." || part == "host" || part == "device" || part == "check";
  if (inside)
    fail(ErrorCode::invalid_argument,
         "[emit] {} would be exchanged under the shell that stands in {}: emit from outside", folder.string(),
         here.string());
}

/// Where the project goes: behind a link. Errors: not_found for a folder to make it in that is not there, which is not
/// made either: what fails leaves nothing behind; and for a link that leads nowhere.
fs::path place_of(const fs::path& wanted) {
  fs::path folder = fs::absolute(wanted).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  std::error_code ignored;
  const bool is_link = fs::is_symlink(folder);
  if (is_link && !fs::exists(folder, ignored))
    fail(ErrorCode::not_found, "[emit] {} is a link that leads nowhere", wanted.string());
  if (is_link) return fs::canonical(folder);
  if (!fs::exists(folder.parent_path(), ignored))
    fail(ErrorCode::not_found, "[emit] {}: there is no folder {} to make it in", wanted.string(),
         folder.parent_path().string());
  return folder;
}

/// Errors: invalid_argument for a folder that holds anything of the user's which a project would replace.
void check_target(const fs::path& folder, const Files& files) {
  if (!fs::exists(fs::symlink_status(folder))) return;
  if (!fs::is_directory(folder))
    fail(ErrorCode::invalid_argument, "[emit] {} is there and is no folder", folder.string());
  check_place(folder);
  if (fs::is_empty(folder)) return;
  std::string line;  // plan::to_text's first
  std::getline(std::ifstream(folder / "plan.txt"), line);
  if (!line.starts_with("plan ") || !fs::is_directory(folder / "device"))
    fail(ErrorCode::invalid_argument, "[emit] {} holds something else than an emitted project: name another folder",
         folder.string());
  const auto emitted = read_manifest(folder);
  if (!emitted)
    fail(ErrorCode::invalid_argument,
         "[emit] {} has no list of what was emitted ({}), so nothing in it is known to be replaceable: name another "
         "folder, or remove it",
         folder.string(), kManifest);
  check_edits(folder, *emitted, files);
}

/// A file that says what the one before it said keeps its time: builds of the project take up what has changed.
void keep_time(const fs::path& old_file, const fs::path& new_file) {
  if (!fs::is_regular_file(old_file) || fs::file_size(old_file) != fs::file_size(new_file)) return;
  std::ifstream before(old_file, std::ios::binary), now(new_file, std::ios::binary);
  using Bytes = std::istreambuf_iterator<char>;
  if (std::equal(Bytes(before), Bytes(), Bytes(now), Bytes()))
    fs::last_write_time(new_file, fs::last_write_time(old_file));
}

/// A shader is no newer than its SPIR-V, or builds would compile it again: of a line that moved only the source tells.
void keep_spirv(const Files& files, const fs::path& folder) {
  constexpr std::string_view kSpirv = ".spv.inc";
  for (const auto& [path, text] : files) {
    if (!path.ends_with(kSpirv)) continue;
    const fs::path shader = folder / (path.substr(0, path.size() - kSpirv.size()) + ".comp");
    const auto time = fs::last_write_time(folder / path);
    if (fs::exists(shader) && fs::last_write_time(shader) > time) fs::last_write_time(shader, time);
  }
}

/// What is in the old folder beside the project: its build folder, say, or a file beside ours in host/.
void keep_the_rest(const fs::path& old_folder, const fs::path& new_folder,
                   const std::map<std::string, std::string>& emitted, const std::string& below = "") {
  for (const fs::directory_entry& entry : fs::directory_iterator(old_folder / below)) {
    const std::string path = below + entry.path().filename().string();
    if (emitted.contains(path) || path == kManifest) continue;
    const auto inside = emitted.lower_bound(path + "/");
    const bool holds_ours = inside != emitted.end() && inside->first.starts_with(path + "/");
    const bool is_folder = entry.is_directory() && !entry.is_symlink();
    if (is_folder && (holds_ours || fs::is_directory(new_folder / path))) {
      keep_the_rest(old_folder, new_folder, emitted, path + "/");
    } else {
      fs::create_directories((new_folder / path).parent_path());
      fs::rename(entry.path(), new_folder / path);
    }
  }
}

}  // namespace

void write_project(const Files& files, const fs::path& wanted) try {
  const fs::path folder = place_of(wanted);
  check_target(folder, files);
  TemporaryFolder aside(folder);
  const fs::path now = aside.path() / "now", old = aside.path() / "old";
  for (const auto& [path, text] : files) {
    fs::create_directories((now / path).parent_path());
    write_file(now / path, text);
    keep_time(folder / path, now / path);
  }
  write_file(now / kManifest, manifest(files));
  keep_time(folder / kManifest, now / kManifest);
  keep_spirv(files, now);
  const opnf::unfinished::Hold hold;  // until the old folder holds nothing of the user's
  const bool replaces = fs::exists(folder);
  const auto emitted = read_manifest(folder).value_or(std::map<std::string, std::string>());
  if (replaces) fs::rename(folder, old);
  try {
    fs::rename(now, folder);
  } catch (...) {
    if (replaces) fs::rename(old, folder);
    throw;
  }
  if (!replaces) return;
  try {
    keep_the_rest(old, folder, emitted);
  } catch (const fs::filesystem_error& error) {  // nothing of the old one is lost
    aside.keep();
    fail(ErrorCode::io_error, "[emit] {} has the new project, but {} could not be moved into it ({}): it is in {} now",
         folder.string(), error.path1().filename().string(), error.code().message(), old.string());
  }
} catch (const fs::filesystem_error& error) {  // its path may be one that nobody has seen
  fail(ErrorCode::io_error, "[emit] {}: cannot be written: {}", wanted.string(), error.code().message());
}

}  // namespace openinfer::emit
