// SPDX-License-Identifier: Apache-2.0
// Where a text may be cut without changing what merging makes of it: between two characters that stand side by side in
// no piece. A merge across such a place would make a piece that has them. Words between seams are short and come again,
// so a cache serves texts that no pre-tokenizer cuts.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "lib/text/utf8.h"

namespace openinfer::text {

class Seams {
 public:
  /// A character is known if it is a piece alone; next to unknown ones there are no seams, for they are joined to one
  /// unk.
  void add(std::string_view piece);

  /// Calls part with consecutive parts of `word`, valid UTF-8.
  template <class Part>
  void split(std::string_view word, Part&& part) const;

 private:
  bool between(std::uint32_t left, std::uint32_t right) const {
    if (left < 128 && right < 128) return ascii_known_[left] && ascii_known_[right] && !ascii_[left << 7 | right];
    return known(left) && known(right) && !pairs_.contains(std::uint64_t{left} << 32 | right);
  }
  bool known(std::uint32_t c) const { return c < 128 ? ascii_known_[c] : known_.contains(c); }

  std::bitset<std::size_t{1} << 14> ascii_;
  std::bitset<128> ascii_known_;
  std::unordered_set<std::uint64_t> pairs_;
  std::unordered_set<std::uint32_t> known_;
};

template <class Part>
void Seams::split(std::string_view word, Part&& part) const {
  std::size_t start = 0;
  std::uint32_t last = 0;
  for (std::size_t at = 0; at < word.size();) {
    const Utf8Step step = utf8_step(word, at);
    if (at > start && between(last, step.code_point)) {
      part(word.substr(start, at - start));
      start = at;
    }
    last = step.code_point;
    at += step.length;
  }
  if (start < word.size()) part(word.substr(start));
}

}  // namespace openinfer::text
