// SPDX-License-Identifier: Apache-2.0
// SentencePiece's compiled normalisation rules ("precompiled_charsmap"): a double-array trie of byte strings, each with
// the string that takes its place. Comes with checkpoints and is not trusted: every index is checked, every walk and
// every replacement is bounded.
// Source: the published format of SentencePiece (normalizer.cc) and Darts-clone (darts.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace openinfer::text {

class CharsMap {
 public:
  CharsMap() = default;
  /// u32 size of the trie in bytes, the trie's u32 units, the replacements, each ended by a zero byte.
  /// Errors: invalid_argument for a size that does not fit.
  explicit CharsMap(const std::vector<std::uint8_t>& blob);

  bool empty() const { return units_.empty(); }

  struct Rule {
    std::size_t length = 0;  // bytes of the text that the rule takes
    std::string_view replacement;
  };
  /// The longest rule for what `text` begins with (SentencePiece's choice), or the shortest (that of `tokenizers`).
  /// Errors: invalid_argument for a replacement beyond the blob, longer than kLongest or not UTF-8.
  std::optional<Rule> longest(std::string_view text) const { return find(text, false); }
  std::optional<Rule> shortest(std::string_view text) const { return find(text, true); }

  /// Bytes: keys of published maps have at most 18, replacements 33.
  static constexpr std::size_t kLongest = 512;

 private:
  std::optional<Rule> find(std::string_view text, bool first) const;
  std::string_view replacement(std::uint32_t offset) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace openinfer::text
