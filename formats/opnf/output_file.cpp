// SPDX-License-Identifier: Apache-2.0
#include "formats/opnf/output_file.h"

#include <algorithm>
#include <utility>

namespace opnf {
namespace {

constexpr std::size_t kBuffer = 1 << 20;

}  // namespace

OutputFile::OutputFile(std::string path) : file_(std::move(path)) { buffer_.reserve(kBuffer); }

void OutputFile::flush() {
  file_.write_at(position_ - buffer_.size(), std::as_bytes(std::span(buffer_)));
  buffer_.clear();
}

void OutputFile::write(std::span<const std::byte> bytes) {
  hash_.update(bytes);
  if (buffer_.size() + bytes.size() > kBuffer) flush();
  if (bytes.size() >= kBuffer)
    file_.write_at(position_, bytes);
  else
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  position_ += bytes.size();
}

void OutputFile::seek(std::uint64_t to) {
  constexpr std::byte kZeros[4096] = {};
  while (position_ < to) write({kZeros, std::min<std::uint64_t>(sizeof kZeros, to - position_)});
}

void OutputFile::write_at(std::uint64_t offset, std::string_view bytes) {
  flush();  // what is buffered may be the zeros that these bytes replace
  file_.write_at(offset, std::as_bytes(std::span(bytes)));
}

void OutputFile::finish() {
  flush();
  file_.finish();
}

}  // namespace opnf
