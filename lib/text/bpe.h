// SPDX-License-Identifier: Apache-2.0
// Byte pair encoding of one word: its bytes become tokens, and the adjacent pair with the best merge (lowest rank, then
// leftmost) is joined until none is left. Source: Sennrich, Haddow & Birch 2016, arXiv:1508.07909.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/text/word_model.h"
#include "openinfer/text.h"

namespace openinfer::text {

/// The merges as one flat hash table: (left, right) -> (rank, joined).
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank = UINT32_MAX;  // UINT32_MAX: no such merge
    TokenId joined = 0;
  };
  explicit MergeTable(std::size_t count);
  /// A pair that was there takes the later rank, as in the `tokenizers` library.
  void add(TokenId left, TokenId right, Merge merge);
  Merge find(TokenId left, TokenId right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t slot = hash(key) & mask_;; slot = (slot + 1) & mask_) {
      if (slots_[slot].key == key) return slots_[slot].merge;
      if (slots_[slot].key == kFree) return {};
    }
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};  // ids are not negative: no pair has this key
  struct Slot {
    std::uint64_t key = kFree;
    Merge merge;
  };
  static std::uint64_t key_of(TokenId left, TokenId right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  static std::size_t hash(std::uint64_t key) { return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 29); }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
};

/// Joins symbols; the two ways of spelling a word in them are below.
class Merges {
 public:
  /// `ids`: token by spelling; `prefix`: what a piece that continues a word begins with, left out when joined.
  /// Errors: invalid_argument for a merge that is not "left right" of known tokens.
  Merges(const std::vector<std::string>& merges, const Ids& ids, std::string_view prefix);
  void apply(std::span<TokenId> symbols, std::vector<TokenId>& out) const;

 private:
  void merge_short(std::span<TokenId> symbols, std::vector<TokenId>& out) const;
  void merge_long(std::span<TokenId> symbols, std::vector<TokenId>& out) const;

  MergeTable table_;
};

/// Symbols are bytes; words whose tokens the byte alphabet spells.
class ByteBpe : public WordModel {
 public:
  ByteBpe(const TokenizerSpec& spec, const Ids& ids) : merges_(spec.merges, ids, {}) {}
  void encode(std::string_view word, const ByteTokens& bytes, std::vector<TokenId>& out) const override;

 private:
  Merges merges_;
};

/// Symbols are characters; unknown ones become their bytes' tokens (<0x0A>), or unk.
class CharBpe : public WordModel {
 public:
  CharBpe(const TokenizerSpec& spec, const Ids& ids);
  void encode(std::string_view word, const ByteTokens& bytes, std::vector<TokenId>& out) const override;

 private:
  TokenId symbol(std::string_view character, bool first, bool last, std::string& room) const;

  const Ids& ids_;
  Merges merges_;
  std::string prefix_, suffix_;
  std::optional<TokenId> unk_;
  bool fuse_unk_;
  std::optional<ByteTokens> fallback_;
};

}  // namespace openinfer::text
