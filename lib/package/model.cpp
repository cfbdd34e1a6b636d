// SPDX-License-Identifier: Apache-2.0
#include "openinfer/model.h"

#include <algorithm>

#include "formats/opnf/verify.h"
#include "lib/base/fail.h"
#include "lib/base/nearest.h"
#include "lib/package/package.h"

namespace openinfer {
namespace {

TensorInfo to_info(const opnf::Reader& reader, const opnf::Tensor& tensor) {
  TensorInfo result;
  result.key = tensor.key;
  result.dtype = static_cast<DType>(tensor.dtype->code);
  result.shape.assign(tensor.shape.begin(), tensor.shape.end());
  result.transposed = tensor.transposed;
  result.layout = tensor.layout == opnf::Layout::rows ? "rows" : "panel16";
  const opnf::Tensor target = reader.tensor(tensor.target);
  if (tensor.kind == opnf::Kind::alias) result.alias_of = target.key;
  result.splat = target.kind == opnf::Kind::splat;
  result.size_bytes = tensor.nbytes;
  result.offset = target.offset;
  result.shard = target.shard;
  return result;
}

Model::NamedDim to_dim(const opnf::Value& value) {
  const auto bounds = value.array<std::int64_t>(static_cast<std::uint8_t>(DType::i64));
  return {value.key, bounds[0], bounds[1]};
}

/// A size of a state spec: a number or the name of a dimension.
Dim to_size(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return Dim::symbol(text);
  std::int64_t value = 0;
  for (char c : text) value = value * 10 + (c - '0');  // the reader has bounded it
  return value;
}

template <class Name>
std::string suggestions(const opnf::Map& map, std::string_view wanted, Name name) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < map.size(); ++i) names.push_back(name(map[i].key));
  return did_you_mean(wanted, names);
}

}  // namespace

void rethrow(const opnf::Error& error, const std::string& path) {
  const auto code = [&] {
    switch (error.code()) {
      case opnf::Code::corrupt: return ErrorCode::corrupt_package;
      case opnf::Code::io: return ErrorCode::io_error;
      case opnf::Code::not_found: return ErrorCode::not_found;
      case opnf::Code::unsupported: return ErrorCode::unsupported;
      case opnf::Code::wrong_type: return ErrorCode::dtype_mismatch;
      case opnf::Code::invalid_argument: return ErrorCode::invalid_argument;
    }
    return ErrorCode::internal;
  }();
  const std::string_view what = error.what();
  if (what.find(path) != what.npos) fail(code, "{}", what);
  fail(code, "{}: {}", path, what);
}

std::string hint_for_missing(const opnf::Reader& reader, std::string_view key) {
  const auto digits = key.find_last_not_of("0123456789") + 1;
  std::int64_t count = 0;
  if (digits < key.size())
    while (reader.find(std::string(key.substr(0, digits)) + std::to_string(count))) ++count;
  if (count > 0) return fmt::format(" (the family has 0..{})", count - 1);
  std::vector<std::string_view> keys;
  for (std::size_t i = 0; i < std::min<std::size_t>(reader.tensor_count(), 10000); ++i)
    keys.push_back(reader.tensor(i).key);
  return did_you_mean(key, keys);
}

Model ModelLoader::open(const std::string& path, Model::ReadMode mode) {
  return translated(path, [&] {
    auto package = std::make_shared<Model::Package>(
        opnf::Reader::open(path, mode == Model::ReadMode::map ? opnf::Reader::Mode::map : opnf::Reader::Mode::pread));
    package->path = path;
    return Model(std::move(package));
  });
}

Weight Model::operator[](Key key) const { return family(key, {}); }

Weight Model::family(Key pattern, std::vector<Index> indices) const {
  Weight weight{std::make_shared<const Model>(*this), std::string(pattern.text), std::move(indices), pattern.at};
  if (weight.indices.empty()) tensor(pattern);
  return weight;
}

bool Model::contains(std::string_view key) const { return package_->reader.find(key).has_value(); }

TensorInfo Model::tensor(Key key) const {
  const opnf::Reader& reader = package_->reader;
  const auto row = reader.find(key.text);
  if (!row)
    fail_at(key.at, ErrorCode::not_found, "[model] no tensor \"{}\"{}", key.text, hint_for_missing(reader, key.text));
  return to_info(reader, reader.tensor(*row));
}

std::size_t Model::tensor_count() const { return package_->reader.tensor_count(); }

std::vector<TensorInfo> Model::tensors() const {
  std::vector<TensorInfo> result;
  for (std::size_t i = 0; i < tensor_count(); ++i)
    result.push_back(to_info(package_->reader, package_->reader.tensor(i)));
  return result;
}

std::vector<SectionInfo> Model::sections() const {
  std::vector<SectionInfo> result;
  for (const opnf::SectionEntry& s : package_->reader.sections()) {
    const auto kind = opnf::section_name(s.kind);
    result.push_back({kind.empty() ? "unknown" : kind, {}, s.offset, s.length});
  }
  return result;
}

std::vector<Model::NamedDim> Model::dims() const {
  return translated(path(), [&] {
    std::vector<NamedDim> result;
    for (std::size_t i = 0; i < package_->reader.dims().size(); ++i)
      result.push_back(to_dim(package_->reader.dims()[i]));
    return result;
  });
}

std::optional<Model::NamedDim> Model::find_dim(std::string_view name) const {
  return translated(path(), [&] {
    const auto found = package_->reader.dims().find(name);
    return found ? std::optional(to_dim(*found)) : std::nullopt;
  });
}

std::vector<std::string_view> Model::state_names() const {
  std::vector<std::string_view> names;
  const opnf::Map& states = package_->reader.states();
  for (std::size_t i = 0; i < states.size(); ++i)
    if (const auto key = states[i].key; key.ends_with("/dtype")) names.push_back(key.substr(0, key.size() - 6));
  return names;
}

StateSpec Model::state_spec(Key name) const {
  const opnf::Map& states = package_->reader.states();
  const std::string prefix = std::string(name.text) + "/";
  const auto layout = states.find(prefix + "layout");
  if (!layout) {
    const auto names = state_names();
    fail_at(name.at, ErrorCode::not_found, "[model] the package specifies no state \"{}\"{}", name.text,
            did_you_mean(name.text, names));
  }
  return translated(path(), [&] {
    StateSpec spec;
    spec.kind = layout->string() == "kv_cache" ? StateSpec::Kind::kv_cache : StateSpec::Kind::tensor;
    spec.dtype =
        dtype_from_name(states.at(prefix + "dtype").string()).value_or(DType::f32);  // the reader knows the name
    const opnf::Strings sizes = states.at(prefix + "shape").strings();
    for (std::size_t i = 0; i < sizes.size(); ++i) spec.shape.push_back(to_size(sizes[i]));
    return spec;
  });
}

std::vector<std::pair<std::string_view, std::string_view>> Model::graphs() const {
  return translated(path(), [&] {
    std::vector<std::pair<std::string_view, std::string_view>> result;
    const opnf::Map& graphs = package_->reader.graphs();
    for (std::size_t i = 0; i < graphs.size(); ++i) result.emplace_back(graphs[i].key, graphs[i].string());
    return result;
  });
}

std::span<const std::byte> Model::bytes(std::string_view key) const {
  return translated(path(), [&]() -> std::span<const std::byte> {
    const opnf::Reader& reader = package_->reader;
    const auto row = reader.find(key);
    if (!row) fail(ErrorCode::not_found, "[model] no tensor \"{}\"{}", key, hint_for_missing(reader, key));
    const opnf::Tensor tensor = reader.tensor(*row);
    const bool splat = reader.tensor(tensor.target).kind == opnf::Kind::splat;
    if (!splat && reader.mode() == opnf::Reader::Mode::map) return reader.bytes(*row);
    const std::lock_guard lock(package_->mutex);
    auto [buffer, fresh] = package_->buffers.try_emplace(tensor.target);
    if (fresh) {
      try {
        buffer->second.resize(tensor.nbytes);
        reader.read_tensor(*row, 0, buffer->second);
      } catch (...) {
        package_->buffers.erase(buffer);
        throw;
      }
    }
    return buffer->second;
  });
}

void Model::read(std::string_view key, std::uint64_t offset, std::span<std::byte> to) const {
  translated(path(), [&] {
    const auto row = package_->reader.find(key);
    if (!row) fail(ErrorCode::not_found, "[model] no tensor \"{}\"{}", key, hint_for_missing(package_->reader, key));
    package_->reader.read_tensor(*row, offset, to);
  });
}

void Model::verify() const {
  translated(path(), [&] { opnf::verify(package_->reader); });
}

const std::string& Model::path() const { return package_->path; }
std::uint64_t Model::fingerprint() const { return package_->reader.fingerprint(); }

void Model::no_meta(Key key) const {
  fail_at(key.at, ErrorCode::not_found, "[model] no metadata \"{}\"{}", key.text,
          suggestions(package_->reader.metadata(), key.text, [](std::string_view k) { return k; }));
}

}  // namespace openinfer
