// SPDX-License-Identifier: Apache-2.0
#include "lib/text/charsmap.h"

#include <algorithm>

#include "lib/base/fail.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

// A unit's fields, as Darts-clone packs them.
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FF; }
std::uint32_t offset_of(std::uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

std::uint32_t little_endian(const std::uint8_t* bytes) {
  return bytes[0] | std::uint32_t{bytes[1]} << 8 | std::uint32_t{bytes[2]} << 16 | std::uint32_t{bytes[3]} << 24;
}

}  // namespace

CharsMap::CharsMap(const std::vector<std::uint8_t>& blob) {
  if (blob.empty()) return;
  const std::size_t trie = blob.size() >= 4 ? little_endian(blob.data()) : 0;
  if (blob.size() < 8 || trie < 4 || trie % 4 != 0 || trie > blob.size() - 4)
    fail(ErrorCode::invalid_argument, "[tokenizer] the charsmap of {} bytes says that its trie has {}", blob.size(),
         trie);
  units_.reserve(trie / 4);
  for (std::size_t at = 4; at < 4 + trie; at += 4) units_.push_back(little_endian(&blob[at]));
  replacements_.assign(blob.begin() + static_cast<std::ptrdiff_t>(4 + trie), blob.end());
}

std::optional<CharsMap::Rule> CharsMap::find(std::string_view text, bool first) const {
  if (units_.empty()) return {};
  text = text.substr(0, kLongest);
  std::size_t length = 0;
  std::uint32_t value = 0, node = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const bool leaf = has_leaf(units_[node]);
    node ^= offset_of(units_[node]);
    if (!leaf || node >= units_.size()) continue;
    length = i + 1;
    value = value_of(units_[node]);
    if (first) break;
  }
  if (length == 0) return {};
  return Rule{length, replacement(value)};
}

std::string_view CharsMap::replacement(std::uint32_t offset) const {
  const auto rest = std::string_view(replacements_).substr(std::min<std::size_t>(offset, replacements_.size()));
  const std::size_t size = std::min(rest.find('\0'), rest.size());
  if (offset >= replacements_.size() || size > kLongest)
    fail(ErrorCode::invalid_argument,
         "[tokenizer] the charsmap's replacement at {} has {} bytes; it has {} in all, a replacement at most {}",
         offset, size, replacements_.size(), kLongest);
  if (!is_utf8(rest.substr(0, size)))
    fail(ErrorCode::invalid_argument, "[tokenizer] the charsmap's replacement at {} is not UTF-8", offset);
  return rest.substr(0, size);
}

}  // namespace openinfer::text
