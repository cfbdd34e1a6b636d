// SPDX-License-Identifier: Apache-2.0
// Tokens that are cut out of a text before anything else: control tokens (<|im_end|>) and user-defined ones.
// Leftmost match, the longest where several start there, as the `tokenizers` library does.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "openinfer/text.h"

namespace openinfer::text {

class AddedTokens {
 public:
  /// One token with its text. Errors: unsupported for a text of more than kLongest bytes.
  void add(std::string_view text, AddedToken token, bool control);

  /// Calls part(text, id) for consecutive parts; id is negative for the text between tokens. Control tokens are left in
  /// the text unless parse_control.
  template <class Part>
  void split(std::string_view text, bool parse_control, Part&& part) const {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const Match match = find(text, at);
      if (match.entry < 0) break;
      at = match.end;
      Extent extent{match.begin, match.end};
      if (!accept(text, match, parse_control, done, extent)) continue;
      if (extent.begin > done) part(text.substr(done, extent.begin - done), TokenId{-1});
      part(text.substr(extent.begin, extent.end - extent.begin),
           entries_[static_cast<std::size_t>(match.entry)].token.id);
      done = extent.end;
    }
    if (done < text.size()) part(text.substr(done), TokenId{-1});
  }

  /// Bounds the time of a search: text size times this.
  static constexpr std::size_t kLongest = 512;

 private:
  struct Entry {
    AddedToken token;
    bool control = false;
  };
  struct Node {
    std::int32_t entry = -1;        // token that ends here
    std::int32_t first_child = -1;  // children are a list, in no order: few share a beginning
    std::int32_t sibling = -1;
    char byte = 0;
  };
  struct Match {
    std::size_t begin = 0, end = 0;
    std::int32_t entry = -1;
  };
  struct Extent {
    std::size_t begin, end;
  };
  std::int32_t child(std::int32_t node, char byte) const;
  Match find(std::string_view text, std::size_t from) const;
  bool accept(std::string_view text, const Match& match, bool parse_control, std::size_t done, Extent& extent) const;

  std::vector<Entry> entries_;
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<bool, 256> starts_{};
};

}  // namespace openinfer::text
