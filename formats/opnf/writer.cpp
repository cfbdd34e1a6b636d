// SPDX-License-Identifier: Apache-2.0
// Collecting, resolving and checking a package's contents, then streaming them.
#include "formats/opnf/writer.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <list>

#include "formats/opnf/encode.h"
#include "formats/opnf/output_file.h"
#include "formats/opnf/panel16.h"
#include "formats/opnf/verify.h"

namespace opnf {
namespace {

constexpr std::int64_t kMaxDim = std::int64_t{1} << 62;

[[noreturn]] void invalid(const std::string& message) { throw Error(Code::invalid_argument, message); }
std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_key_char(char c) { return is_letter(c) || (c >= '-' && c <= '9') || c == '_'; }
void check_key(const std::string& key) {
  if (key.empty() || key.size() > 255 || !std::all_of(key.begin(), key.end(), is_key_char))
    invalid("key " + quoted(key) + ": 1 to 255 characters of A-Za-z0-9._/- are allowed");
}

std::vector<std::uint64_t> stored_shape(const TensorSpec& spec) {
  std::vector<std::uint64_t> shape = spec.shape;
  if (spec.transposed && shape.size() >= 2) std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  return shape;
}

std::uint64_t checked_bytes(const TensorSpec& spec) {
  const DTypeInfo* dtype = find_dtype_named(spec.dtype);
  if (!dtype) invalid("tensor " + quoted(spec.key) + ": unknown dtype " + quoted(spec.dtype));
  const char* why = nullptr;
  const auto bytes = stored_bytes(*dtype, spec.shape, spec.transposed, static_cast<std::uint8_t>(spec.layout), why);
  if (!bytes) invalid("tensor " + quoted(spec.key) + ": " + why);
  return *bytes;
}

/// Passes the pieces on to `out`, hashes them, and holds the source to the size of its tensor.
std::uint64_t stream(const Writer::Row& row, OutputFile& out, const std::function<void(std::uint64_t)>& report) {
  Xxh64Stream hash;
  std::uint64_t written = 0;
  const auto wrong = [&](const char* relation) {
    invalid("tensor " + quoted(row.spec.key) + ": its source gave " + relation + " than " + std::to_string(row.nbytes) +
            " bytes");
  };
  row.source([&](std::span<const std::byte> piece) {
    if (piece.size() > row.nbytes - written) wrong("more");
    hash.update(piece);
    out.write(piece);
    written += piece.size();
    if (report) report(written);
  });
  if (written != row.nbytes) wrong("fewer");
  return hash.digest();
}

std::string shard_header(std::uint32_t number, std::uint64_t size) {
  std::string out("OINS\r\n\x1a\n\x04\x03\x02\x01\x01\0\0\0", 16);
  const auto append = [&](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  append(number), append(std::uint32_t{0}), append(size);
  return out;
}

}  // namespace

Writer::Writer(std::string path, Options options) : path_(std::move(path)), options_(options) {
  if (!std::has_single_bit(options_.alignment) || options_.alignment < 64 || options_.alignment > 1 << 20)
    invalid("alignment " + std::to_string(options_.alignment) + ": a power of two from 64 to 2^20 is needed");
}

void Writer::put(Section section, const std::string& key, EncodedValue value) {
  check_key(key);
  if (!maps_[section].emplace(key, std::move(value)).second)
    invalid(std::string(section_name(static_cast<std::uint32_t>(section))) + " has " + quoted(key) + " already");
}

void Writer::erase(Section section, const std::string& key) { maps_[section].erase(key); }

void Writer::dim(const std::string& name, std::int64_t min, std::int64_t max) {
  if (name.empty() || !(is_letter(name[0]) || name[0] == '_') || min < 0 || min > max || max >= kMaxDim)
    invalid("dimension " + quoted(name) +
            ": a name that begins with a letter or _ and 0 <= min <= max < 2^62 are needed");
  const std::int64_t bounds[] = {min, max};
  put(Section::dims, name, encode_array("i64", 2, std::as_bytes(std::span(bounds))));
}

void Writer::state(const std::string& name, std::string_view dtype, std::string_view layout,
                   std::span<const Size> sizes) {
  if (name.find('/') != name.npos || !find_dtype_named(dtype) || sizes.size() > 8)
    invalid("state " + quoted(name) + ": no '/' in the name, a known dtype and at most 8 sizes are needed");
  std::vector<std::string> texts;
  for (const Size& size : sizes) {
    const auto* number = std::get_if<std::int64_t>(&size);
    if (number && (*number < 0 || *number >= kMaxDim))
      invalid("state " + quoted(name) + ": a size of " + std::to_string(*number));
    texts.push_back(number ? std::to_string(*number) : std::get<std::string>(size));
    if (!number) dims_of_states_.emplace_back(name, texts.back());
  }
  put(Section::states, name + "/dtype", encode(dtype));
  put(Section::states, name + "/layout", encode(layout));
  put(Section::states, name + "/shape", encode(std::span<const std::string>(texts)));
}

void Writer::kv_cache(const std::string& name, std::string_view dtype, const std::array<Size, 5>& sizes) {
  state(name, dtype, "kv_cache", sizes);
}

void Writer::tensor_state(const std::string& name, std::string_view dtype, std::span<const Size> sizes) {
  state(name, dtype, "tensor", sizes);
}

void Writer::add(Row row) {
  const std::string key = row.spec.key;
  check_key(key);
  if (!rows_.emplace(key, std::move(row)).second) invalid("there is a tensor " + quoted(key) + " already");
}

void Writer::tensor(TensorSpec spec, Source source) {
  Row row;
  row.nbytes = checked_bytes(spec);
  row.spec = std::move(spec), row.source = std::move(source);
  add(std::move(row));
}

void Writer::tensor(TensorSpec spec, std::span<const std::byte> bytes) {
  tensor(std::move(spec),
         [copy = std::vector<std::byte>(bytes.begin(), bytes.end())](const Sink& sink) { sink(copy); });
}

void Writer::splat(TensorSpec spec, std::span<const std::byte> block) {
  Row row;
  row.nbytes = checked_bytes(spec);
  if (block.size() != find_dtype_named(spec.dtype)->block_bytes || spec.layout != Layout::rows)
    invalid("splat " + quoted(spec.key) + ": exactly one block in layout rows is needed, not " +
            std::to_string(block.size()) + " bytes");
  row.kind = Kind::splat, row.spec = std::move(spec), row.block.assign(block.begin(), block.end());
  add(std::move(row));
}

void Writer::alias(const std::string& key, const std::string& target, std::optional<std::vector<std::uint64_t>> shape,
                   std::optional<bool> transposed) {
  Row row;
  row.spec.key = key, row.kind = Kind::alias, row.target = target;
  row.own_shape = shape.has_value(), row.own_transposed = transposed;
  if (shape) row.spec.shape = *std::move(shape);
  add(std::move(row));
}

namespace {

/// The layout that a data row of `package` gets where `wanted` is asked for: rows, unless panels fit it.
Layout layout_for(const Tensor& t, std::optional<Layout> wanted) {
  const char* why = nullptr;
  if (wanted == Layout::panel16 && !stored_bytes(*t.dtype, t.shape, t.transposed, 1, why)) return Layout::rows;
  return wanted.value_or(t.layout);
}

/// Bytes of row i in pieces of about a MiB, rows from panels or panels from rows where `layout` is another. Errors:
/// corrupt if they are not what their checksum says; what was written by then is nobody's.
void copy_tensor(const Reader& package, std::size_t i, Layout layout, const Writer::Sink& sink) {
  const Tensor t = package.tensor(i);
  const bool change = layout != t.layout;
  const std::uint64_t length = change ? t.shape[t.shape.size() - (t.transposed ? 2 : 1)] : 0;
  const std::uint64_t blocks = length / t.dtype->block_size, panel_bytes = kPanelRows * blocks * t.dtype->block_bytes;
  const std::uint64_t whole = change && panel_bytes ? panel_bytes * ((1 << 20) / panel_bytes + 1) : 1 << 20;
  std::vector<std::byte> piece(std::min(whole, t.nbytes)), changed(change ? piece.size() : 0);
  Xxh64Stream hash;
  for (std::uint64_t at = 0; at < t.nbytes; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece.size(), t.nbytes - at));
    package.read_tensor(i, at, piece);
    hash.update(piece);
    const std::uint64_t panels = change ? piece.size() / panel_bytes : 0;
    if (change && layout == Layout::rows)
      from_panel16(*t.dtype, blocks, piece.data(), 0, panels * kPanelRows, changed.data());
    for (std::uint64_t p = 0; layout == Layout::panel16 && p < panels; ++p)
      to_panel16(*t.dtype, blocks, piece.data() + p * panel_bytes, changed.data() + p * panel_bytes);
    sink(change ? std::span<const std::byte>(changed).first(piece.size()) : piece);
  }
  check_checksum(package, t, hash.digest());
}

}  // namespace

void Writer::copy(const Reader& package, std::optional<Layout> layout) {
  for (const SectionEntry& s : package.sections()) package.check_section(s.kind);
  for (const auto& [section, map] : {std::pair{Section::metadata, &package.metadata()},
                                     {Section::dims, &package.dims()},
                                     {Section::states, &package.states()},
                                     {Section::tokenizer, &package.tokenizer()},
                                     {Section::graph, &package.graphs()}})
    for (std::size_t i = 0; i < map->size(); ++i) put(section, std::string((*map)[i].key), encode((*map)[i]));
  for (std::size_t i = 0; i < package.tensor_count(); ++i) {
    const Tensor t = package.tensor(i);
    TensorSpec spec{
        std::string(t.key), std::string(t.dtype->name), {t.shape.begin(), t.shape.end()}, t.transposed, t.layout, {}};
    if (t.kind == Kind::alias) {
      alias(spec.key, std::string(package.tensor(t.target).key), spec.shape, t.transposed);
      continue;
    }
    if (const auto q = package.quantisation(i))
      spec.quantisation = {std::string(package.tensor(q->scale).key),
                           q->zero_point ? std::string(package.tensor(*q->zero_point).key) : "", q->granularity,
                           q->axis, q->group_size};
    if (t.kind == Kind::splat) {
      splat(std::move(spec), t.pattern);
      continue;
    }
    const Layout to = layout_for(t, layout);
    spec.layout = to;
    tensor(std::move(spec), [&package, i, to](const Sink& sink) { copy_tensor(package, i, to, sink); });
  }
}

void Writer::resolve_alias(Row& row) {
  const Row* target = &row;
  for (std::size_t steps = 0; target->kind == Kind::alias; ++steps) {
    const auto next = rows_.find(target->target);
    if (next == rows_.end())
      invalid("alias " + quoted(target->spec.key) + " points to " + quoted(target->target) + ", which does not exist");
    if (steps == rows_.size()) invalid("alias " + quoted(row.spec.key) + " leads into a cycle");
    target = &next->second;
  }
  row.spec.dtype = target->spec.dtype, row.spec.layout = target->spec.layout;
  row.nbytes = target->nbytes, row.target = target->spec.key;
  if (!row.own_shape) row.spec.shape = target->spec.shape;
  row.spec.transposed = row.own_transposed.value_or(target->spec.transposed);
  checked_bytes(row.spec);
  if (stored_shape(row.spec) != stored_shape(target->spec))
    invalid("alias " + quoted(row.spec.key) + " does not fit the stored shape of " + quoted(row.target));
}

void Writer::check_quantisation(const Row& row) const {
  const QuantisationSpec& q = *row.spec.quantisation;
  const std::string& dtype = row.spec.dtype;
  const bool grouped = q.granularity == Granularity::group;
  std::vector<std::uint64_t> wanted = stored_shape(row.spec);
  if (row.kind == Kind::alias || (dtype[0] != 'i' && dtype[0] != 'u') || dtype.starts_with("iq"))
    invalid("tensor " + quoted(row.spec.key) + ": " + dtype + " is no integer dtype and cannot be quantised");
  if (q.granularity == Granularity::tensor ? q.axis != 0 : q.axis >= wanted.size())
    invalid("tensor " + quoted(row.spec.key) + ": quantised along axis " + std::to_string(q.axis) + " of " +
            std::to_string(wanted.size()));
  if (grouped ? q.group_size == 0 || wanted[q.axis] % q.group_size : q.group_size != 0)
    invalid("tensor " + quoted(row.spec.key) + ": the group size " + std::to_string(q.group_size) +
            " does not divide its axis");
  if (grouped) wanted[q.axis] /= q.group_size;
  if (q.granularity == Granularity::channel) wanted = {wanted[q.axis]};
  if (q.granularity == Granularity::tensor) wanted.clear();
  check_scale(row, q.scale, true, wanted);
  if (!q.zero_point.empty()) check_scale(row, q.zero_point, false, wanted);
}

void Writer::check_scale(const Row& row, const std::string& name, bool floating,
                         std::span<const std::uint64_t> wanted) const {
  const auto found = rows_.find(name);
  if (found == rows_.end())
    invalid("tensor " + quoted(row.spec.key) + ": its scale or zero point " + quoted(name) + " does not exist");
  const TensorSpec& spec = found->second.spec;
  const std::uint8_t code = find_dtype_named(spec.dtype)->code;
  const bool numeric = code <= 6 || (!floating && code <= 38);
  if (!numeric || spec.transposed || spec.layout != Layout::rows || spec.quantisation ||
      !std::ranges::equal(spec.shape, wanted))
    invalid("tensor " + quoted(row.spec.key) + ": " + quoted(name) + " does not fit as its " +
            (floating ? "scale" : "zero point"));
}

/// Gives every data row its file and offset. Returns where each file ends: [0] main (0 if it has no data), [i] shard i.
std::vector<std::uint64_t> Writer::lay_out(std::uint64_t start) {
  std::vector<std::uint64_t> ends{0};
  std::uint64_t end = start;
  for (auto& [key, row] : rows_) {
    if (row.kind != Kind::data) continue;
    row.offset = aligned(end, options_.alignment);
    if (options_.shard_size && (ends.size() == 1 || row.offset + row.nbytes > options_.shard_size)) {
      ends.push_back(0);
      row.offset = aligned(kPage, options_.alignment);
    }
    row.shard = static_cast<std::uint16_t>(ends.size() - 1);
    ends.back() = end = row.offset + row.nbytes;
    if (ends.size() > 65536) invalid("more than 65535 shards: a larger shard size is needed");
  }
  return ends;
}

/// "M" of "a/M.oinf": what the names of shards begin with.
std::string Writer::stem() const {
  std::string stem = path_.substr(folder_of(path_).size());
  if (stem.ends_with(".oinf")) stem.resize(stem.size() - 5);
  return stem;
}

/// Names are made of the bytes: no shard ever replaces another package's, or the one that is being replaced.
std::string Writer::shard_name(std::size_t number, std::uint64_t hash) const {
  const std::string stem = this->stem();
  if (stem.empty() || stem[0] == '.' || stem.size() > 227 || !std::all_of(stem.begin(), stem.end(), is_key_char))
    invalid("a sharded package needs a file name of A-Za-z0-9._-, not " + quoted(stem));
  char rest[32];
  std::snprintf(rest, sizeof rest, ".%05zu.%016llx.oins", number, static_cast<unsigned long long>(hash));
  return stem + rest;
}

std::string Writer::manifest(std::span<const std::uint64_t> sizes, std::span<const std::uint64_t> hashes) const {
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= sizes.size(); ++i) names.push_back(shard_name(i, hashes[i - 1]));
  return encode_map({{"hashes", encode_array("u64", hashes.size(), std::as_bytes(hashes))},
                     {"names", encode(std::span<const std::string>(names))},
                     {"sizes", encode_array("u64", sizes.size(), std::as_bytes(sizes))}});
}

void Writer::resolve() {
  for (auto& [key, row] : rows_)
    if (row.kind == Kind::alias) resolve_alias(row);
  for (const auto& [key, row] : rows_)
    if (row.spec.quantisation) check_quantisation(row);
  for (const auto& [state, name] : dims_of_states_)
    if (!maps_[Section::dims].contains(name))
      invalid("state " + quoted(state) + " names the dimension " + quoted(name) + ", which is not declared");
}

void Writer::stream_tensors(std::span<OutputFile* const> files, const Progress& progress) {
  std::uint64_t done = 0, total = 0;
  for (const auto& [key, row] : rows_) total += row.kind == Kind::data ? row.nbytes : 0;
  for (auto& [key, row] : rows_) {
    if (row.kind != Kind::data) continue;
    OutputFile& out = *files[row.shard];
    out.seek(row.offset);
    row.checksum = stream(row, out, [&](std::uint64_t n) {
      if (progress) progress(done + n, total);
    });
    done += row.nbytes;
  }
}

void Writer::write(const Progress& progress) {
  resolve();
  std::vector<std::uint64_t> ends = lay_out(kPage);  // shards do not depend on the index, whose size DATA depends on
  const std::vector<std::uint64_t> sizes(ends.begin() + 1, ends.end());
  std::vector<std::uint64_t> hashes(sizes.size());
  Sections sections;
  for (const auto& [section, values] : maps_)
    if (!values.empty()) sections[section] = encode_map(values);
  if (!sizes.empty()) sections[Section::shards] = manifest(sizes, hashes);
  encode_tensors(rows_, options_.alignment, sections);
  const Places places = place(sections, ends[0] != 0);
  ends = lay_out(places.data);
  const std::uint64_t main_size = ends[0] ? ends[0] : places.end;

  std::list<OutputFile> storage;  // removes every file that is not committed
  std::vector<OutputFile*> files{&storage.emplace_back(path_)};
  for (std::size_t i = 1; i < ends.size(); ++i) {
    files.push_back(&storage.emplace_back(path_));
    files[i]->write(shard_header(static_cast<std::uint32_t>(i), ends[i]));
  }
  stream_tensors(files, progress);
  for (std::size_t i = 1; i < ends.size(); ++i) {
    files[i]->seek(ends[i]);
    hashes[i - 1] = files[i]->hash();
    files[i]->rename_to(folder_of(path_) + shard_name(i, hashes[i - 1]));
  }
  if (!sizes.empty()) sections[Section::shards] = manifest(sizes, hashes);
  encode_tensors(rows_, options_.alignment, sections);
  files[0]->seek(main_size);
  files[0]->write_at(0, encode_index(sections, places, main_size));
  for (OutputFile* file : files) file->finish();
  commit(files, hashes);
}

/// The shards that the package at path_ names by this package's stem; none if there is no readable one.
std::vector<std::string> Writer::old_shards() const {
  std::vector<std::string> names;
  try {
    const Reader old = Reader::open(path_);
    if (!old.shards().size()) return {};
    const Strings all = old.shards().at("names").strings();
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].starts_with(stem() + ".")) names.emplace_back(all[i]);
  } catch (const Error&) {  // what is no package names nothing
  }
  return names;
}

/// Shards under names of their own, then the index over the old one: before it the old package is whole, after it the
/// new one. Only then may the old shards go.
void Writer::commit(std::span<OutputFile* const> files, std::span<const std::uint64_t> hashes) {
  std::vector<std::string> old = old_shards();
  std::vector<OutputFile*> added;
  try {
    for (std::size_t i = 1; i < files.size(); ++i) {
      const std::string name = shard_name(i, hashes[i - 1]);
      const bool there =
          ::access((folder_of(path_) + name).c_str(), F_OK) == 0;  // the same bytes, the old package's perhaps
      files[i]->commit();
      if (!there) added.push_back(files[i]);
      std::erase(old, name);
    }
    if (files.size() > 1) sync_folder_of(path_);
    files[0]->commit();
  } catch (...) {
    for (OutputFile* file : added) file->revoke();
    throw;
  }
  sync_folder_of(path_);
  for (const std::string& name : old) ::unlink((folder_of(path_) + name).c_str());  // one too many harms nobody
}

}  // namespace opnf
