// SPDX-License-Identifier: Apache-2.0
#include "formats/opnf/encode.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace opnf {
namespace {

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <class T>
void store(std::string& out, std::size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}
void pad(std::string& out, std::uint64_t to) { out.resize(aligned(out.size(), to), '\0'); }

bool in_index(Section s) {
  return s == Section::metadata || s == Section::dims || s == Section::states || s == Section::shards ||
         s == Section::tensors;
}
std::uint32_t alignment_of(Section s) { return s == Section::data ? kPage : s == Section::tensors ? 64 : 8; }

void append_row(std::string& out, const Writer::Row& row, std::uint32_t key_at, std::uint32_t dims_at,
                std::uint64_t offset, std::uint32_t target, std::uint32_t quant) {
  append<std::uint32_t>(out, key_at);
  append(out, static_cast<std::uint8_t>(row.spec.key.size()));
  append(out, find_dtype_named(row.spec.dtype)->code);
  append(out, static_cast<std::uint8_t>(row.spec.shape.size()));
  append(out, static_cast<std::uint8_t>(row.kind));
  append(out, dims_at);
  append(out, static_cast<std::uint8_t>(row.spec.layout));
  append(out, static_cast<std::uint8_t>(row.spec.transposed));
  append(out, row.shard);
  append(out, offset);
  append(out, row.nbytes);
  append(out, row.checksum);
  append(out, target);
  append(out, quant);
}

std::string encode_keyhash(const Writer::Rows& rows) {
  if (rows.empty()) return {};
  std::vector<std::uint64_t> slots(std::max<std::size_t>(2, std::bit_ceil(2 * rows.size())));
  std::uint64_t number = 0;
  for (const auto& [key, row] : rows) {
    const std::uint64_t hash = xxh64(key);
    std::size_t at = hash & (slots.size() - 1);
    while (slots[at]) at = (at + 1) & (slots.size() - 1);
    slots[at] = (hash >> 32) << 32 | ++number;
  }
  return {reinterpret_cast<const char*>(slots.data()), 8 * slots.size()};
}

}  // namespace

std::string encode_map(const Writer::Values& values) {
  std::string out, keys, payload;
  append(out, static_cast<std::uint32_t>(values.size()));
  append<std::uint32_t>(out, 0);
  std::uint64_t key_at = 8 + 32 * values.size(), end = key_at;
  for (const auto& [key, value] : values) end += key.size();
  const std::uint64_t payload_at = end;
  for (const auto& [key, value] : values) {
    const std::uint64_t at = aligned(end, 8);
    append(out, static_cast<std::uint32_t>(key_at));
    append(out, static_cast<std::uint8_t>(key.size()));
    append(out, value.type);
    append(out, static_cast<std::uint8_t>(value.form));
    append(out, value.rank);
    append(out, at);
    append(out, value.count);
    append<std::uint64_t>(out, value.bytes.size());
    payload.resize(at - payload_at, '\0');
    payload += value.bytes;
    keys += key;
    key_at += key.size(), end = at + value.bytes.size();
  }
  return out + keys + payload;
}

void encode_tensors(const Writer::Rows& rows, std::uint32_t alignment, Sections& sections) {
  std::map<std::string_view, std::uint32_t> number;
  for (const auto& [key, row] : rows) number.emplace(key, static_cast<std::uint32_t>(number.size()));
  std::string table, dims, quants, patterns, keys;
  std::uint32_t quant_count = 0;
  for (const auto& [key, row] : rows) {
    if (const auto& q = row.spec.quantisation) {
      append(quants, number.at(q->scale));
      append(quants, q->zero_point.empty() ? 0xFFFFFFFF : number.at(q->zero_point));
      append(quants, static_cast<std::uint8_t>(q->granularity));
      append(quants, q->axis);
      quants.append(6, '\0');
      append(quants, q->group_size);
      ++quant_count;
    }
    const bool splat = row.kind == Kind::splat;
    append_row(table, row, static_cast<std::uint32_t>(keys.size()), static_cast<std::uint32_t>(dims.size() / 8),
               splat ? patterns.size() : row.offset, row.kind == Kind::alias ? number.at(row.target) : 0,
               row.spec.quantisation ? quant_count : 0);
    for (const std::uint64_t d : row.spec.shape) append(dims, d);
    if (splat) patterns.append(reinterpret_cast<const char*>(row.block.data()), row.block.size()), pad(patterns, 8);
    keys += key;
  }
  std::string& out = sections[Section::tensors];
  out.clear();
  for (const std::size_t field : {rows.size(), std::size_t{48}, dims.size() / 8, std::size_t{quant_count},
                                  patterns.size(), keys.size(), std::size_t{alignment}, std::size_t{0}}) {
    if (field > 0xFFFFFFFF) throw Error(Code::invalid_argument, "the tensor index exceeds 4 GiB");
    append(out, static_cast<std::uint32_t>(field));
  }
  out += table + dims + quants + patterns + keys;
  sections.erase(Section::keyhash);
  if (!rows.empty()) sections[Section::keyhash] = encode_keyhash(rows);
}

Places place(const Sections& sections, bool has_data) {
  Places places;
  places.end = 64 + 40 * (sections.size() + has_data);
  for (const Section kind : {Section::metadata, Section::dims, Section::states, Section::shards, Section::tensors,
                             Section::keyhash, Section::tokenizer, Section::graph}) {
    const auto found = sections.find(kind);
    if (found == sections.end()) continue;
    if (found->second.size() > 0xFFFFFFFF)
      throw Error(Code::invalid_argument,
                  std::string(section_name(static_cast<std::uint32_t>(kind))) + " exceeds 4 GiB");
    places.offsets.emplace_back(kind, aligned(places.end, alignment_of(kind)));
    places.end = places.offsets.back().second + found->second.size();
  }
  places.data = aligned(places.end, kPage);
  if (has_data) places.offsets.emplace_back(Section::data, places.data);
  return places;
}

std::string encode_index(const Sections& sections, const Places& places, std::uint64_t file_size) {
  std::string out(places.end, '\0');
  std::uint64_t index_end = 0;
  std::size_t entry = 64;
  for (const auto& [kind, at] : places.offsets) {
    const bool data = kind == Section::data;
    const std::string_view body = data ? std::string_view() : sections.at(kind);
    store(out, entry, static_cast<std::uint32_t>(kind));
    store(out, entry + 4, std::uint32_t{in_index(kind) || data});
    store(out, entry + 8, at);
    store(out, entry + 16, data ? file_size - at : body.size());
    store(out, entry + 24, data ? 0 : xxh64(body));
    store(out, entry + 32, alignment_of(kind));
    if (!data) body.copy(out.data() + at, body.size());
    if (kind == Section::tensors) index_end = at + body.size();
    entry += 40;
  }
  out.replace(0, 8, "OINF\r\n\x1a\n", 8);
  store(out, 8, std::uint32_t{0x01020304});
  store(out, 12, std::uint16_t{1});
  store(out, 16, std::uint32_t{64});
  store(out, 20, static_cast<std::uint32_t>(places.offsets.size()));
  store(out, 24, file_size);
  store(out, 48, index_end);
  store(out, 56, xxh64(out.data() + 64, index_end - 64, xxh64(out.data(), 56)));
  return out;
}

}  // namespace opnf
