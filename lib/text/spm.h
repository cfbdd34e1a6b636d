// SPDX-License-Identifier: Apache-2.0
// SentencePiece's BPE: adjacent symbols are joined while their text is a piece, the one of best score first, then the
// leftmost. User-defined pieces are symbols that never join; unused pieces are taken apart again at the end.
// Source: Kudo & Richardson 2018, arXiv:1808.06226, and the published bpe_model.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/text/piece_trie.h"
#include "lib/text/word_model.h"

namespace openinfer::text {

class SpmBpe : public WordModel {
 public:
  SpmBpe(const TokenizerSpec& spec, const std::vector<std::string>& spelling, const std::vector<TokenType>& types,
         const Ids& ids);
  void encode(std::string_view word, const ByteTokens& bytes, std::vector<TokenId>& out) const override;

 private:
  struct Symbol;
  struct Joining;
  std::vector<Symbol> symbols(std::string_view word) const;
  TokenId piece(std::string_view text) const;
  void append(std::string_view text, const Joining& joining, std::vector<TokenId>& out, bool& after_unk) const;

  Ids pieces_;  // those that merging may make: normal, user-defined, unused
  std::vector<TokenType> types_;
  std::vector<float> scores_;
  PieceTrie user_defined_;
  std::size_t longest_ = 0;
  std::optional<TokenId> unk_;
  std::optional<ByteTokens> fallback_;
};

}  // namespace openinfer::text
