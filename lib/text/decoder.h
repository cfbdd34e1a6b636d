// SPDX-License-Identifier: Apache-2.0
// What each token says in a text: the rules of a tokenizer.json's decoder, or of the model's kind.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openinfer/text.h"

namespace openinfer::text {

class Decoder {
 public:
  /// From spec.decoder (JSON), or by the model. Errors: unsupported, listing the known types; invalid_argument.
  Decoder(const TokenizerSpec& spec, bool byte_level);

  /// Is a token's text spelt in GPT-2's byte alphabet?
  bool byte_level() const { return byte_level_; }
  /// Is every byte of a wrong sequence a U+FFFD of its own, or each maximal part of a character? The former with
  /// byte-fallback tokens, as SentencePiece does.
  bool byte_by_byte() const { return byte_fallback_; }
  /// What the token says behind others; `first`: what it says where nothing was said before.
  std::string piece(std::string_view spelling, TokenType type, bool first = false) const;
  /// Appends a token's text: `piece` is its text behind others.
  void append(DecodeState& state, std::string_view spelling, TokenType type, std::string_view piece,
              std::string& out) const;

 private:
  void add_json(const TokenizerSpec& spec);

  std::vector<std::pair<std::string, std::string>> replace_;  // within a token, in order
  std::string prefix_, suffix_;                               // WordPiece's "##", or what ends a word ("</w>")
  bool byte_level_ = false, byte_fallback_ = false, glue_ = false, cleanup_ = false;
  bool first_differs_ = false;  // Metaspace: the first token says no space
  std::string meta_;            // its replacement
  bool sentencepiece_ = false, dummy_prefix_ = false, squeeze_ = false;
  std::string strip_;  // taken away at the start of the text, this often:
  std::size_t strip_count_ = 0;
};

}  // namespace openinfer::text
