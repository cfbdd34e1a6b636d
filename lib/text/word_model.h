// SPDX-License-Identifier: Apache-2.0
// What turns one word into tokens: the last step of encoding, and what all models share.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "openinfer/text.h"

namespace openinfer::text {

using Ids = std::unordered_map<std::string_view, TokenId>;  // by spelling
using ByteTokens = std::array<TokenId, 256>;                // -1: no token spells the byte

class WordModel {
 public:
  virtual ~WordModel() = default;
  /// Appends the tokens of a word; `bytes` is for byte-level models, whose callers choose what missing bytes become.
  virtual void encode(std::string_view word, const ByteTokens& bytes, std::vector<TokenId>& out) const = 0;
};

/// The tokens "<0x00>" … "<0xFF>".
ByteTokens byte_pieces(const Ids& ids);
/// The byte that such a spelling means; -1 for any other.
int byte_of_piece(std::string_view spelling);
/// Appends a token for each byte, or nothing (and says so) if one is missing.
bool append_bytes(const ByteTokens& tokens, std::string_view text, std::vector<TokenId>& out);

/// The model that spec.model names. `ids` outlives it. Errors: unsupported; invalid_argument for scores that no
/// float holds and for pieces of more than kLongestPiece bytes where those bound the time.
std::unique_ptr<const WordModel> make_word_model(const TokenizerSpec& spec, const std::vector<std::string>& spelling,
                                                 const std::vector<TokenType>& types, const Ids& ids, bool byte_level);

inline constexpr std::size_t kLongestPiece = 1024;

}  // namespace openinfer::text
