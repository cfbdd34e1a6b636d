// SPDX-License-Identifier: Apache-2.0
// What a Tokenizer shares between its copies: the checked spec and the tables of each step.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/text/added_tokens.h"
#include "lib/text/decoder.h"
#include "lib/text/normalizer.h"
#include "lib/text/pretokenizer.h"
#include "lib/text/seams.h"
#include "lib/text/word_model.h"
#include "openinfer/text.h"

namespace openinfer {

struct Tokenizer::Table {
  explicit Table(TokenizerSpec from);

  TokenizerSpec spec;                 // without tokens, merges, scores and charsmap
  std::vector<std::string> spelling;  // by id, as the vocabulary has it
  std::vector<TokenType> type;        // by id
  text::PreTokenizer pre_tokenizer;
  bool byte_level = false, sentencepiece = false;
  text::Decoder decoder;
  std::vector<std::string> piece;  // by id, the bytes it stands for behind others
  text::Ids ids;                   // by spelling
  std::deque<std::string> spelt;   // what `words` refers to, of byte-level models
  text::Ids words;                 // by a word's text: tokens that a whole word may become
  text::ByteTokens byte_tokens{};  // of byte-level models; -1: the vocabulary lacks the byte
  std::string missing;
  std::string unreachable;  // a token of several bytes that no merge leads to, for there are none; "": there are
  std::optional<text::Normalizer> normalizer;
  text::AddedTokens raw_added, normalized_added;  // looked for before and after the normalizer
  std::unique_ptr<const text::WordModel> model;
  std::optional<text::Seams> seams;  // of models that work on whole texts

 private:
  void read_tokens();
  void read_added();
  void find_seams();
  void check_ids() const;
};

namespace text {

/// The ids of one text, without what belongs around it.
std::vector<TokenId> encode_text(const Tokenizer::Table& table, std::string_view text, const EncodeOptions& options);

/// One or two texts cut to options.max_tokens, with what belongs around them.
Encoding encode_around(const Tokenizer::Table& table, std::vector<TokenId> first,
                       std::optional<std::vector<TokenId>> second, const EncodeOptions& options);

}  // namespace text
}  // namespace openinfer
