// SPDX-License-Identifier: Apache-2.0
// A set of token spellings as a tree of bytes: which tokens does the text at hand begin with? Children of a node lie
// side by side, so a node is three numbers and a step is one memchr.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "openinfer/text.h"

namespace openinfer::text {

class PieceTrie {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0, kNone = UINT32_MAX;

  PieceTrie() : PieceTrie(std::vector<std::pair<std::string_view, TokenId>>()) {}
  /// Spellings differ; empty ones are left out.
  explicit PieceTrie(std::vector<std::pair<std::string_view, TokenId>> pieces);

  bool empty() const { return entries_.size() == 1; }
  Node step(Node node, char byte) const {
    if (node == kRoot) return root_[static_cast<unsigned char>(byte)];
    const Entry& entry = entries_[node];
    if (entry.children == 0) return kNone;
    const char* labels = labels_.data() + entry.first_child;
    const void* found = std::memchr(labels, byte, entry.children);
    return found ? entry.first_child + static_cast<Node>(static_cast<const char*>(found) - labels) : kNone;
  }
  /// The token that is spelt by the way to this node, or -1.
  TokenId token(Node node) const { return entries_[node].token; }
  /// The node of a spelling's last byte, from `node` on; kNone if nothing goes on like that.
  Node walk(Node node, std::string_view spelling) const {
    for (std::size_t i = 0; i < spelling.size() && node != kNone; ++i) node = step(node, spelling[i]);
    return node;
  }
  /// The longest token that `text` begins with: its bytes and id; {0, -1} if there is none.
  std::pair<std::size_t, TokenId> longest(std::string_view text, Node from = kRoot) const;

 private:
  struct Entry {
    Node first_child = 0;
    std::uint32_t children = 0;
    TokenId token = -1;
  };
  std::vector<Entry> entries_;
  std::vector<char> labels_;  // the byte that leads to each node
  std::array<Node, 256> root_{};
};

}  // namespace openinfer::text
