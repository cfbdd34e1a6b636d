// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/kernel_cache.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "lib/base/byte_size.h"
#include "lib/base/fail.h"

namespace openinfer::run {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kUsualBytes = std::int64_t{1} << 30;  // some hundred models

struct Place {
  fs::path folder;
  bool parents = true;  // are made too: not a folder for temporary files, which is there or named wrongly
};

/// Where compiled kernels are to lie. Of a folder that all users share the name holds our own.
Place cache_place() {
  if (const char* given = std::getenv("XDG_CACHE_HOME"); given && *given == '/') return {fs::path(given) / "openinfer"};
  std::error_code ignored;  // a home that is not there is none
  const char* home = std::getenv("HOME");
  if (home && *home == '/' && fs::is_directory(home, ignored)) return {fs::path(home) / ".cache" / "openinfer"};
  const char* given = std::getenv("TMPDIR");
  return {fs::path(given && *given == '/' ? given : "/tmp") / fmt::format("openinfer-cache-{}", ::geteuid()), false};
}

/// What lies in the folder is run: whoever can write to it, or put another in its place, is us.
void check_ours(const fs::path& folder) {
  struct stat itself {
  }, target{};  // they differ where it is a link
  if (::lstat(folder.c_str(), &itself) != 0 || ::stat(folder.c_str(), &target) != 0)
    fail_io("use", folder, last_error());
  if (!S_ISDIR(target.st_mode)) fail_io("use", folder, std::make_error_code(std::errc::not_a_directory));
  for (const uid_t owner : {itself.st_uid, target.st_uid})
    if (owner != ::geteuid())
      fail(ErrorCode::io_error,
           "[cpu] {} is of user {} and we are user {}: what lies there would be run; name another folder in "
           "$XDG_CACHE_HOME",
           folder.string(), owner, ::geteuid());
  if (target.st_mode & (S_IWGRP | S_IWOTH))
    fail(ErrorCode::io_error, "[cpu] {} can be written by others (mode {:o}): what lies there would be run; chmod go-w",
         folder.string(), target.st_mode & 07777u);
}

bool is_ours(const fs::path& folder) try {
  check_ours(folder);
  return true;
} catch (const Error&) {
  return false;
}

struct Kept {
  fs::path path;
  fs::file_time_type used;
  std::int64_t bytes = 0;
};

std::vector<Kept> all_kept(const fs::path& folder) {
  std::vector<Kept> all;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const fs::path kind = entry.path().extension();
    if ((kind != ".so" && kind != ".vkcache") || !entry.is_regular_file(ignored)) continue;
    all.push_back({entry.path(), entry.last_write_time(ignored), static_cast<std::int64_t>(entry.file_size(ignored))});
  }
  return all;
}

bool remove_unused(const fs::path& path) {
  const InputFile file(std::fopen(path.c_str(), "rbe"));
  if (!file || ::flock(::fileno(file.get()), LOCK_EX | LOCK_NB) != 0) return false;
  struct stat locked {
  }, named{};  // they differ where another process has put a new file in its place
  return ::fstat(::fileno(file.get()), &locked) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         locked.st_dev == named.st_dev && locked.st_ino == named.st_ino && ::unlink(path.c_str()) == 0;
}

}  // namespace

fs::path cache_folder() {
  const auto [folder, parents] = cache_place();
  std::error_code error;
  if (parents) fs::create_directories(folder.parent_path(), error);
  if (!error && ::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) error = last_error();
  if (error)
    fail(ErrorCode::io_error,
         "[cpu] cannot make {}, where compiled kernels are kept: {}; $XDG_CACHE_HOME names another place",
         folder.string(), error.message());
  check_ours(folder);
  return folder;
}

std::int64_t cache_size_limit() {
  const char* given = std::getenv("OPENINFER_CACHE_SIZE");
  if (!given || !*given) return kUsualBytes;
  const auto bytes = byte_size(given);
  if (!bytes)
    fail(ErrorCode::invalid_argument, "[cpu] $OPENINFER_CACHE_SIZE is '{}', which is no size such as 256MiB or 1.5GiB",
         given);
  return *bytes;
}

InputFile use_kept(const fs::path& path) {
  InputFile file(std::fopen(path.c_str(), "rbe"));
  if (!file && errno != ENOENT) fail_io("read", path, last_error());
  if (!file) return file;
  ::flock(::fileno(file.get()), LOCK_SH);  // file systems without locks remove nothing either
  struct stat facts {};
  if (::fstat(::fileno(file.get()), &facts) == 0 && facts.st_nlink == 0) return nullptr;  // removed at this moment
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);  // finer than what file systems take for now
  const timespec used[] = {now, now};
  ::futimens(::fileno(file.get()), used);
  return file;
}

void shrink_cache(std::int64_t most_bytes) {
  const fs::path folder = cache_place().folder;
  if (!is_ours(folder)) return;
  std::vector<Kept> all = all_kept(folder);
  std::sort(all.begin(), all.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
  std::int64_t total = 0;
  for (const Kept& kept : all) total += kept.bytes;
  for (const Kept& kept : all) {
    if (total <= most_bytes) return;
    if (remove_unused(kept.path)) total -= kept.bytes;
  }
}

void remove_left_behind(const fs::path& folder) {
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(24);
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string start = entry.path().stem().extension().string();  // ".so" of HASH.so.XXXXXX
    if (start == ".so" && entry.is_directory(ignored) && entry.last_write_time(ignored) < old)
      fs::remove_all(entry.path(), ignored);
  }
}

void fail_io(const char* what, const fs::path& path, const std::error_code& why) {
  fail(ErrorCode::io_error, "[cpu] cannot {} {}: {}", what, path.string(), why.message());
}

std::error_code last_error() { return {errno, std::generic_category()}; }

}  // namespace openinfer::run
