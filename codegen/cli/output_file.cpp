// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/output_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "formats/opnf/reader.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

template <class Work>
auto translated(const Work& work) {
  try {
    return work();
  } catch (const opnf::Error& error) {
    fail(ErrorCode::io_error, "[write] {}", error.what());
  }
}

/// Errors: io_error where that file is what standard output goes to (/dev/stdout behind `> FILE`): a new file in its
/// place would take with it what is in it and what comes after.
void check_no_standard_output(const std::string& path) {
  struct stat file {
  }, out{};
  if (::stat(path.c_str(), &file) != 0 || !S_ISREG(file.st_mode) || ::fstat(STDOUT_FILENO, &out) != 0) return;
  if (file.st_dev == out.st_dev && file.st_ino == out.st_ino)
    fail(ErrorCode::io_error, "[write] {}: standard output goes to this file; name another", path);
}

}  // namespace

std::string behind_link(const std::string& path) {
  std::error_code ignored;
  const auto real = std::filesystem::canonical(path, ignored);
  return ignored ? path : real.string();
}

OutputFile::OutputFile(const std::string& path)
    : file_(translated([&] {
        check_no_standard_output(path);
        return opnf::AtomicFile(behind_link(path), opnf::AtomicFile::Special::in_place);
      })) {}

void OutputFile::write(std::span<const std::byte> bytes) {
  translated([&] { file_.write(bytes); });
}

void OutputFile::commit() {
  translated([&] {
    file_.finish();
    file_.commit();
  });
}

void write_file(const std::string& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace openinfer::cli
