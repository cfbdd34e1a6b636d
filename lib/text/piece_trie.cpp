// SPDX-License-Identifier: Apache-2.0
#include "lib/text/piece_trie.h"

#include <algorithm>

namespace openinfer::text {

PieceTrie::PieceTrie(std::vector<std::pair<std::string_view, TokenId>> pieces) {
  std::erase_if(pieces, [](const auto& piece) { return piece.first.empty(); });
  std::ranges::sort(pieces);
  // Breadth first: the children of one node are appended together. `depth` bytes are common to pieces [first, last).
  struct Range {
    std::size_t first, last, depth;
  };
  std::vector<Range> ranges = {{0, pieces.size(), 0}};
  entries_.resize(1);
  labels_.resize(1);
  for (std::size_t node = 0; node < ranges.size(); ++node) {
    auto [first, last, depth] = ranges[node];
    if (first < last && pieces[first].first.size() == depth) entries_[node].token = pieces[first++].second;
    entries_[node].first_child = static_cast<Node>(entries_.size());
    while (first < last) {
      const char byte = pieces[first].first[depth];
      const std::size_t begin = first;
      while (first < last && pieces[first].first[depth] == byte) ++first;
      ranges.push_back({begin, first, depth + 1});
      labels_.push_back(byte);
      entries_.emplace_back();
      ++entries_[node].children;
    }
  }
  root_.fill(kNone);
  for (Node i = 0; i < entries_[0].children; ++i)
    root_[static_cast<unsigned char>(labels_[entries_[0].first_child + i])] = entries_[0].first_child + i;
}

std::pair<std::size_t, TokenId> PieceTrie::longest(std::string_view text, Node from) const {
  std::pair<std::size_t, TokenId> best{0, -1};
  for (std::size_t at = 0; at < text.size() && (from = step(from, text[at])) != kNone; ++at)
    if (const TokenId id = token(from); id >= 0) best = {at + 1, id};
  return best;
}

}  // namespace openinfer::text
