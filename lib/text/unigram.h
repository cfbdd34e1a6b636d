// SPDX-License-Identifier: Apache-2.0
// The unigram model: of all ways to cut a word into pieces, the one whose scores have the largest sum (Viterbi), a
// character that no piece covers scoring 10 less than the worst piece.
// Source: Kudo 2018, arXiv:1804.10959; unigram_model.cc of SentencePiece and model.rs of `tokenizers`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/text/piece_trie.h"
#include "lib/text/word_model.h"

namespace openinfer::text {

class Unigram : public WordModel {
 public:
  Unigram(const TokenizerSpec& spec, const std::vector<std::string>& spelling, const std::vector<TokenType>& types,
          const Ids& ids);
  void encode(std::string_view word, const ByteTokens& bytes, std::vector<TokenId>& out) const override;

 private:
  /// Sums are kept as the library that the vocabulary is from keeps them, so that ties fall alike: SentencePiece in
  /// float, `tokenizers` in double.
  template <class Sum>
  void best_path(std::string_view word, std::vector<TokenId>& out) const;

  PieceTrie trie_;
  std::vector<double> scores_;
  std::vector<std::uint8_t> user_defined_;  // by id
  double unk_score_ = 0;
  std::optional<TokenId> unk_;
  std::optional<ByteTokens> fallback_;
  bool native_ = false;  // SentencePiece's own
};

}  // namespace openinfer::text
