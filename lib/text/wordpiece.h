// SPDX-License-Identifier: Apache-2.0
// WordPiece: from the left, the longest piece that fits; pieces within a word are spelt with a prefix ("##"). A word
// that cannot be covered, or is too long, is unk as a whole. WordLevel: whole words only. Source: Devlin et al. 2018,
// arXiv:1810.04805, and the published tokenization.py.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/text/piece_trie.h"
#include "lib/text/word_model.h"

namespace openinfer::text {

class WordPiece : public WordModel {
 public:
  WordPiece(const TokenizerSpec& spec, const std::vector<std::string>& spelling, const std::vector<TokenType>& types);
  void encode(std::string_view word, const ByteTokens& bytes, std::vector<TokenId>& out) const override;

 private:
  PieceTrie trie_;
  PieceTrie::Node within_;  // behind the prefix
  std::size_t max_characters_;
  std::optional<TokenId> unk_;
};

class WordLevel : public WordModel {
 public:
  WordLevel(const TokenizerSpec& spec, const Ids& ids) : ids_(ids), unk_(spec.unk) {}
  void encode(std::string_view word, const ByteTokens& bytes, std::vector<TokenId>& out) const override;

 private:
  const Ids& ids_;
  std::optional<TokenId> unk_;
};

}  // namespace openinfer::text
