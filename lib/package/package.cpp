// SPDX-License-Identifier: Apache-2.0
#include "lib/package/package.h"

#include <new>

#include "lib/base/nearest.h"

namespace openinfer {
namespace {

opnf::Reader open(const std::string& path, Model::ReadMode mode) {
  const auto how = mode == Model::ReadMode::map ? opnf::Reader::Mode::map : opnf::Reader::Mode::pread;
  return translated([&] { return opnf::Reader::open(path, how); });
}

void check_section(const opnf::Reader& reader, opnf::Section section) {
  translated([&] { reader.check_section(static_cast<std::uint32_t>(section)); });
}

}  // namespace

ErrorCode translate(opnf::Code code) {
  switch (code) {
    case opnf::Code::corrupt: return ErrorCode::corrupt_package;
    case opnf::Code::io: return ErrorCode::io_error;
    case opnf::Code::not_found: return ErrorCode::not_found;
    case opnf::Code::unsupported: return ErrorCode::unsupported;
    case opnf::Code::wrong_type: return ErrorCode::dtype_mismatch;
    case opnf::Code::invalid_argument: return ErrorCode::invalid_argument;
  }
  return ErrorCode::internal;
}

Model::Package::Package(const std::string& path, ReadMode mode) : path(path), reader(open(path, mode)) {}

std::size_t Model::Package::row(Key key) const {
  if (const auto found = reader.find(key.text)) return *found;
  std::vector<std::string_view> keys;
  for (std::size_t i = 0; i < reader.tensor_count(); ++i) keys.push_back(reader.tensor(i).key);
  fail_at(key.at, ErrorCode::not_found, "[model] no tensor \"{}\"{}", key.text, suggest(key.text, keys));
}

void Model::Package::check_once(opnf::Section section, bool& checked) const {
  const std::lock_guard lock(sections_mutex_);
  if (!checked) check_section(reader, section);
  checked = true;
}

const opnf::Map& Model::Package::checked_tokenizer() const {
  check_once(opnf::Section::tokenizer, tokenizer_checked_);
  return reader.tokenizer();
}

const opnf::Map& Model::Package::checked_graphs() const {
  check_once(opnf::Section::graph, graphs_checked_);
  return reader.graphs();
}

std::span<const std::byte> Model::Package::copied_bytes(std::size_t row) const {
  const opnf::Tensor tensor = reader.tensor(row);
  const std::lock_guard lock(copies_mutex_);
  auto& copy = copies_[tensor.target];
  if (!copy) {
    std::unique_ptr<std::byte[]> bytes(new (std::nothrow) std::byte[tensor.nbytes]);
    if (!bytes) fail(ErrorCode::out_of_memory, "[model] no memory for \"{}\": {} bytes", tensor.key, tensor.nbytes);
    translated([&] { reader.read_tensor(row, 0, {bytes.get(), tensor.nbytes}); });
    copy = std::move(bytes);
  }
  return {copy.get(), tensor.nbytes};
}

std::shared_ptr<const void> Model::Package::shared(const std::string& name,
                                                   const std::function<std::shared_ptr<const void>()>& make) const {
  const std::lock_guard lock(shared_mutex_);
  std::erase_if(shared_, [](const auto& entry) { return entry.second.expired(); });
  if (const auto known = shared_.find(name); known != shared_.end())
    if (auto held = known->second.lock()) return held;
  auto made = make();
  shared_.insert_or_assign(name, made);
  return made;
}

}  // namespace openinfer
