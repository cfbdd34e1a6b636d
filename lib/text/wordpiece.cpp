// SPDX-License-Identifier: Apache-2.0
#include "lib/text/wordpiece.h"

#include <algorithm>

namespace openinfer::text {

WordPiece::WordPiece(const TokenizerSpec& spec, const std::vector<std::string>& spelling,
                     const std::vector<TokenType>& types)
    : max_characters_(static_cast<std::size_t>(std::max(spec.max_word_chars, 0))), unk_(spec.unk) {
  std::vector<std::pair<std::string_view, TokenId>> pieces;
  for (std::size_t i = 0; i < spelling.size(); ++i)
    if (types[i] != TokenType::control) pieces.emplace_back(spelling[i], static_cast<TokenId>(i));
  trie_ = PieceTrie(std::move(pieces));
  within_ = trie_.walk(PieceTrie::kRoot, spec.continuing_prefix);
}

void WordPiece::encode(std::string_view word, const ByteTokens&, std::vector<TokenId>& out) const {
  const std::size_t first = out.size();
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  std::size_t at = 0;
  if (word.size() - static_cast<std::size_t>(std::ranges::count_if(word, continues)) <= max_characters_)
    while (at < word.size()) {
      const PieceTrie::Node from = at == 0 ? PieceTrie::kRoot : within_;
      if (from == PieceTrie::kNone) break;
      const auto [size, id] = trie_.longest(word.substr(at), from);
      if (id < 0) break;
      out.push_back(id);
      at += size;
    }
  if (at == word.size()) return;
  out.resize(first);
  if (unk_) out.push_back(*unk_);
}

void WordLevel::encode(std::string_view word, const ByteTokens&, std::vector<TokenId>& out) const {
  const auto found = ids_.find(word);
  if (found != ids_.end()) return out.push_back(found->second);
  if (unk_) out.push_back(*unk_);
}

}  // namespace openinfer::text
