// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/output_file.h"

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

std::string resolved(const std::string& path) {
  std::error_code ignored;
  const auto real = std::filesystem::canonical(path, ignored);
  return ignored ? path : real.string();
}

}  // namespace

OutputFile::OutputFile(const std::string& path)
    : file_(translated([&] { return opnf::AtomicFile(resolved(path), opnf::AtomicFile::Special::in_place); })) {}

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
