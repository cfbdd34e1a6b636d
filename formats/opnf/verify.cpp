// SPDX-License-Identifier: Apache-2.0
#include "formats/opnf/verify.h"

#include <algorithm>
#include <cstring>

#include "formats/opnf/xxh64_stream.h"

namespace opnf {
namespace {

constexpr std::size_t kPiece = 1 << 20;

[[noreturn]] void corrupt(const Reader& package, std::size_t file, const std::string& message) {
  throw Error(Code::corrupt, package.file_path(file) + ": " + message);
}
std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

using Piece = std::span<const std::byte>;
void for_each_piece(const Reader& package, std::size_t file, std::uint64_t from, std::uint64_t size,
                    const std::function<void(Piece)>& take) {
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(kPiece, size - at));
    package.read_file(file, from + at, piece);
    take(piece);
  }
}

void check_zeros(const Reader& package, std::size_t file, std::uint64_t from, std::uint64_t to) {
  for_each_piece(package, file, from, to - from, [&](Piece piece) {
    if (std::any_of(piece.begin(), piece.end(), [](std::byte b) { return b != std::byte{0}; }))
      corrupt(package, file, "the padding from " + std::to_string(from) + " to " + std::to_string(to) + " is not zero");
  });
}

/// The largest byte that the dtype's digits can make, or 255.
unsigned largest_byte(std::string_view dtype) { return dtype == "bool" ? 1 : dtype == "t1" ? 242 : 255; }
bool has_digit_three(std::byte b) { return (b & b >> 1 & std::byte{0x55}) != std::byte{0}; }

void check_elements(const Reader& package, const Tensor& t, Piece piece) {
  const unsigned largest = largest_byte(t.dtype->name);
  const bool ternary = t.dtype->name == "t2";
  if (largest == 255 && !ternary) return;
  if (std::any_of(piece.begin(), piece.end(),
                  [&](std::byte b) { return static_cast<unsigned>(b) > largest || (ternary && has_digit_three(b)); }))
    corrupt(package, t.shard, "tensor " + quoted(t.key) + " holds a byte that is no " + std::string(t.dtype->name));
}

void check_value(const Reader& package, const Value& v, std::string_view section) {
  const std::string where = std::string(section) + " " + quoted(v.key);
  if (v.type == kString && v.form == Form::scalar && !is_utf8(v.string())) corrupt(package, 0, where + " is not UTF-8");
  if (v.type == kString && v.form == Form::array) {
    const Strings strings = v.strings();
    for (std::size_t i = 0; i < strings.size(); ++i)
      if (!is_utf8(strings[i])) corrupt(package, 0, where + ": element " + std::to_string(i) + " is not UTF-8");
  }
  if (v.type != kString && find_dtype(v.type)->name == "bool" &&
      std::any_of(v.bytes.begin(), v.bytes.end(), [](std::byte b) { return b > std::byte{1}; }))
    corrupt(package, 0, where + " holds a bool that is neither 0 nor 1");
}

void check_maps(const Reader& package) {
  for (const auto& [name, map] : {std::pair{"METADATA", &package.metadata()},
                                  {"DIMS", &package.dims()},
                                  {"STATES", &package.states()},
                                  {"TOKENIZER", &package.tokenizer()},
                                  {"GRAPH", &package.graphs()},
                                  {"SHARDS", &package.shards()}})
    for (std::size_t i = 0; i < map->size(); ++i) {
      const Value value = (*map)[i];
      check_value(package, value, name);
      if (map == &package.graphs()) static_cast<void>(value.string());
    }
}

void check_keyhash(const Reader& package, const SectionEntry& section) {
  std::vector<std::uint64_t> slots(section.length / 8), expected(slots.size());
  package.read_file(0, section.offset, std::as_writable_bytes(std::span(slots)));
  const std::size_t mask = slots.size() - 1;
  for (std::size_t row = 0; row < package.tensor_count(); ++row) {
    const std::uint64_t hash = xxh64(package.tensor(row).key);
    std::size_t at = hash & mask;
    while (expected[at]) at = (at + 1) & mask;
    expected[at] = (hash >> 32) << 32 | (row + 1);
  }
  if (slots != expected) corrupt(package, 0, "KEYHASH does not agree with the keys");
}

void check_data(const Reader& package, const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  std::uint64_t done = 0, total = 0, end = 0;
  for (const SectionEntry& s : package.sections())
    if (s.kind == static_cast<std::uint32_t>(Section::data)) end = s.offset;
  for (std::size_t i = 0; i < package.tensor_count(); ++i)
    total += package.tensor(i).kind == Kind::data ? package.tensor(i).nbytes : 0;
  std::size_t file = 0;
  for (std::size_t i = 0; i < package.tensor_count(); ++i) {
    const Tensor t = package.tensor(i);
    if (t.kind == Kind::splat) check_elements(package, t, t.pattern);
    if (t.kind != Kind::data) continue;
    if (t.shard != file) file = t.shard, end = 32;  // behind the fields of a shard's header
    check_zeros(package, file, end, t.offset);
    Xxh64Stream hash;
    for_each_piece(package, file, t.offset, t.nbytes, [&](Piece piece) {
      hash.update(piece);
      check_elements(package, t, piece);
      done += piece.size();
      if (progress) progress(done, total);
    });
    check_checksum(package, t, hash.digest());
    end = t.offset + t.nbytes;
  }
}

void check_shard_hashes(const Reader& package) {
  if (package.file_count() == 1) return;
  const auto hashes = package.shards().at("hashes").array<std::uint64_t>(find_dtype_named("u64")->code);
  for (std::size_t file = 1; file < package.file_count(); ++file) {
    Xxh64Stream hash;
    for_each_piece(package, file, 0, package.file_size(file), [&](Piece piece) { hash.update(piece); });
    if (hash.digest() != hashes[file - 1])
      corrupt(package, file, "is not the shard that the package was written with: the hash differs");
  }
}

}  // namespace

void check_checksum(const Reader& package, const Tensor& tensor, std::uint64_t checksum) {
  if (checksum != tensor.checksum)
    corrupt(package, tensor.shard, "tensor " + quoted(tensor.key) + " is damaged: the checksum differs");
}

bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned first = byte(i);
    const std::size_t more = first < 0x80                    ? 0
                             : first >= 0xC2 && first < 0xE0 ? 1
                             : first >= 0xE0 && first < 0xF0 ? 2
                             : first >= 0xF0 && first < 0xF5 ? 3
                                                             : 4;
    if (more == 4) return false;
    for (std::size_t k = 1; k <= more; ++k)
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    const unsigned second = byte(i + 1);  // overlong forms, surrogates and what lies beyond U+10FFFF
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F))
      return false;
    i += more + 1;
  }
  return true;
}

void verify(const Reader& package, const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  std::uint64_t end = 0;
  for (const SectionEntry& s : package.sections()) {
    if (end) check_zeros(package, 0, end, s.offset);
    if (s.kind != static_cast<std::uint32_t>(Section::data)) package.check_section(s.kind);
    if (s.kind == static_cast<std::uint32_t>(Section::keyhash)) check_keyhash(package, s);
    end = s.offset + s.length;
  }
  check_maps(package);
  check_data(package, progress);
  check_shard_hashes(package);
}

}  // namespace opnf
