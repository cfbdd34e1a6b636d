// SPDX-License-Identifier: Apache-2.0
// Model: tensors, metadata, dimensions, states and graphs of an open package.
#include "openinfer/model.h"

#include <filesystem>
#include <system_error>

#include "formats/opnf/verify.h"
#include "lib/base/nearest.h"
#include "lib/package/package.h"
#include "lib/package/values.h"

namespace openinfer {
namespace {

TensorInfo describe(const opnf::Reader& reader, std::size_t row) {
  const opnf::Tensor t = reader.tensor(row);
  TensorInfo info;
  info.key = t.key;
  info.dtype = static_cast<DType>(t.dtype->code);  // one table: tests/formats/opnf/reader_test.cpp
  info.shape.assign(t.shape.begin(), t.shape.end());
  info.transposed = t.transposed;
  info.layout = t.layout == opnf::Layout::rows ? "rows" : "panel16";
  info.alias_of = t.kind == opnf::Kind::alias ? reader.tensor(t.target).key : std::string_view();
  info.splat = !t.pattern.empty();
  info.size_bytes = t.nbytes;
  info.offset = t.offset;
  info.shard = t.shard;
  if (const auto q = reader.quantisation(row)) {
    Quantisation& quantisation = info.quantisation.emplace();
    quantisation.scale = reader.tensor(q->scale).key;
    if (q->zero_point) quantisation.zero = reader.tensor(*q->zero_point).key;
    quantisation.axis = q->axis;
    quantisation.group = static_cast<std::int64_t>(q->group_size);
  }
  return info;
}

std::vector<MetaEntry> entries(const opnf::Map& map) {
  std::vector<MetaEntry> out;
  for (std::size_t i = 0; i < map.size(); ++i) out.push_back({map[i].key, map[i].type_name(), print(map[i])});
  return out;
}

std::string suggest_key(std::string_view wanted, const opnf::Map& map) {
  std::vector<std::string_view> keys;
  for (std::size_t i = 0; i < map.size(); ++i) keys.push_back(map[i].key);
  return suggest(wanted, keys);
}

template <class T>
std::optional<T> find_value(const opnf::Map& map, Model::Key key) {
  return translated(
      [&]() -> std::optional<T> {
        const auto value = map.find(key.text);
        return value ? std::optional<T>(convert<T>(*value)) : std::nullopt;
      },
      key.at);
}

Model::NamedDim named_dim(const opnf::Value& value) {
  const auto bounds = value.array<std::int64_t>(value.type);
  return {value.key, bounds[0], bounds[1]};
}

}  // namespace

Model ModelLoader::open(const std::string& path, Model::ReadMode mode) {
  return Model(std::make_shared<const Model::Package>(path, mode));
}

Weight Model::operator[](Key key) const {
  package_->row(key);
  return {std::make_shared<const Model>(*this), std::string(key.text), {}, key.at};
}

Weight Model::family(Key pattern, std::vector<Index> indices) const {
  return {std::make_shared<const Model>(*this), std::string(pattern.text), std::move(indices), pattern.at};
}

template <class T>
std::optional<T> Model::find_meta(Key key) const {
  return find_value<T>(package_->reader.metadata(), key);
}
template <class T>
std::optional<T> Model::find_tokenizer(Key key) const {
  return find_value<T>(package_->checked_tokenizer(), key);
}
#define OPENINFER_META(T)                                    \
  template std::optional<T> Model::find_meta(Key key) const; \
  template std::optional<T> Model::find_tokenizer(Key key) const;
OPENINFER_META(bool)
OPENINFER_META(std::int64_t)
OPENINFER_META(double)
OPENINFER_META(std::string)
OPENINFER_META(std::vector<bool>)
OPENINFER_META(std::vector<std::int64_t>)
OPENINFER_META(std::vector<double>)
OPENINFER_META(std::vector<std::string>)
#undef OPENINFER_META

void Model::no_meta(Key key) const {
  fail_at(key.at, ErrorCode::not_found, "[model] no metadata \"{}\"{}", key.text,
          suggest_key(key.text, package_->reader.metadata()));
}

bool Model::has_tokenizer() const { return package_->reader.tokenizer().size() != 0; }
bool Model::contains(std::string_view key) const { return package_->reader.find(key).has_value(); }
TensorInfo Model::tensor(Key key) const { return describe(package_->reader, package_->row(key)); }
std::size_t Model::tensor_count() const { return package_->reader.tensor_count(); }

std::vector<TensorInfo> Model::tensors() const {
  std::vector<TensorInfo> out;
  out.reserve(tensor_count());
  for (std::size_t i = 0; i < tensor_count(); ++i) out.push_back(describe(package_->reader, i));
  return out;
}

std::vector<MetaEntry> Model::metadata() const {
  return translated([&] { return entries(package_->reader.metadata()); });
}
std::vector<MetaEntry> Model::tokenizer_metadata() const {
  return translated([&] { return entries(package_->checked_tokenizer()); });
}

std::vector<SectionInfo> Model::sections() const {
  std::vector<SectionInfo> out;
  for (const opnf::SectionEntry& s : package_->reader.sections()) {
    const std::string_view name = opnf::section_name(s.kind);
    out.push_back({name.empty() ? "unknown" : name, "", s.offset, s.length});
  }
  return out;
}

std::vector<Model::NamedDim> Model::dims() const {
  const opnf::Map& map = package_->reader.dims();
  std::vector<NamedDim> out;
  for (std::size_t i = 0; i < map.size(); ++i) out.push_back(named_dim(map[i]));
  return out;
}

std::optional<Model::NamedDim> Model::find_dim(std::string_view name) const {
  const auto value = package_->reader.dims().find(name);
  return value ? std::optional(named_dim(*value)) : std::nullopt;
}

std::vector<std::string_view> Model::state_names() const {
  const opnf::Map& map = package_->reader.states();
  std::vector<std::string_view> out;  // three entries a state, NAME/dtype first
  for (std::size_t i = 0; i < map.size(); i += 3) out.push_back(map[i].key.substr(0, map[i].key.find('/')));
  return out;
}

StateSpec Model::state_spec(Key name) const {
  const opnf::Map& map = package_->reader.states();
  const auto shape = map.find(std::string(name.text) + "/shape");
  if (!shape)
    fail_at(name.at, ErrorCode::not_found, "[model] no state \"{}\"{}", name.text, suggest(name.text, state_names()));
  return translated([&] {
    StateSpec spec;
    spec.kind = map.at(std::string(name.text) + "/layout").string() == "kv_cache" ? StateSpec::Kind::kv_cache
                                                                                  : StateSpec::Kind::tensor;
    spec.dtype = static_cast<DType>(opnf::find_dtype_named(map.at(std::string(name.text) + "/dtype").string())->code);
    const opnf::Strings sizes = shape->strings();
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto dim = find_dim(sizes[i]);
      if (!dim)
        spec.shape.push_back(static_cast<std::int64_t>(std::stoll(std::string(sizes[i]))));
      else
        spec.shape.push_back(dim->min == dim->max ? Dim(dim->min) : Dim::symbol(sizes[i]));
    }
    return spec;
  });
}

std::vector<std::pair<std::string_view, std::string_view>> Model::graphs() const {
  return translated([&] {
    const opnf::Map& map = package_->checked_graphs();
    std::vector<std::pair<std::string_view, std::string_view>> out;
    for (std::size_t i = 0; i < map.size(); ++i) out.emplace_back(map[i].key, map[i].string());
    return out;
  });
}

std::span<const std::byte> Model::bytes(std::string_view key) const {
  const std::size_t row = package_->row(key);
  const opnf::Reader& reader = package_->reader;
  if (reader.mode() == opnf::Reader::Mode::pread || !reader.tensor(row).pattern.empty())
    return package_->copied_bytes(row);
  return translated([&] { return reader.bytes(row); });
}

void Model::read(std::string_view key, std::uint64_t offset, std::span<std::byte> to) const {
  const std::size_t row = package_->row(key);
  translated([&] { package_->reader.read_tensor(row, offset, to); });
}

void Model::check_not_cut() const {
  translated([&] { package_->reader.check_not_cut(); });
}

void Model::verify() const {
  translated([&] { opnf::verify(package_->reader); });
}

std::shared_ptr<const void> Model::shared(const std::string& name,
                                          const std::function<std::shared_ptr<const void>()>& make) const {
  return package_->shared(name, make);
}

const std::string& Model::path() const { return package_->path; }

bool Model::is_file_of(const std::string& path) const {
  std::error_code ignored;  // what does not exist is no file of a package
  const auto same = [&](const std::filesystem::path& own) { return std::filesystem::equivalent(own, path, ignored); };
  if (same(package_->path)) return true;
  const opnf::Map& shards = package_->reader.shards();
  const opnf::Strings names = shards.size() ? shards.at("names").strings() : opnf::Strings();
  for (std::size_t i = 0; i < names.size(); ++i)
    if (same(std::filesystem::path(package_->path).parent_path() / names[i])) return true;
  return false;
}
std::uint64_t Model::fingerprint() const { return package_->reader.fingerprint(); }

}  // namespace openinfer
