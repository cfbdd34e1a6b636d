// SPDX-License-Identifier: Apache-2.0
#include "lib/text/word_model.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "lib/base/fail.h"
#include "lib/text/bpe.h"
#include "lib/text/spm.h"
#include "lib/text/unigram.h"
#include "lib/text/wordpiece.h"

namespace openinfer::text {

namespace {

void check(const TokenizerSpec& spec, const std::vector<std::string>& spelling, const std::vector<TokenType>& types) {
  for (std::size_t i = 0; i < spec.scores.size(); ++i)
    if (!(std::abs(spec.scores[i]) <= std::numeric_limits<float>::max()))  // no NaN either
      fail(ErrorCode::invalid_argument, "[tokenizer] token {} has the score {}; scores are finite floats, within ±{}",
           i, spec.scores[i], std::numeric_limits<float>::max());
  for (std::size_t i = 0; i < spelling.size(); ++i)
    if (types[i] != TokenType::control && spelling[i].size() > kLongestPiece)
      fail(ErrorCode::unsupported, "[tokenizer] token {} has {} bytes; at most {} are supported", i, spelling[i].size(),
           kLongestPiece);
}

}  // namespace

ByteTokens byte_pieces(const Ids& ids) {
  ByteTokens out;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const auto found = ids.find(fmt::format("<0x{:02X}>", byte));
    out[byte] = found == ids.end() ? -1 : found->second;
  }
  return out;
}

int byte_of_piece(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>') return -1;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  const int high = digit(spelling[3]), low = digit(spelling[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool append_bytes(const ByteTokens& tokens, std::string_view text, std::vector<TokenId>& out) {
  for (const char c : text)
    if (tokens[static_cast<unsigned char>(c)] < 0) return false;
  for (const char c : text) out.push_back(tokens[static_cast<unsigned char>(c)]);
  return true;
}

std::unique_ptr<const WordModel> make_word_model(const TokenizerSpec& spec, const std::vector<std::string>& spelling,
                                                 const std::vector<TokenType>& types, const Ids& ids, bool byte_level) {
  if (spec.model == "bpe") {
    if (byte_level) return std::make_unique<const ByteBpe>(spec, ids);
    return std::make_unique<const CharBpe>(spec, ids);
  }
  check(spec, spelling, types);
  if (spec.model == "spm") return std::make_unique<const SpmBpe>(spec, spelling, types, ids);
  if (spec.model == "unigram") return std::make_unique<const Unigram>(spec, spelling, types, ids);
  if (spec.model == "wordpiece") return std::make_unique<const WordPiece>(spec, spelling, types);
  return std::make_unique<const WordLevel>(spec, ids);
}

}  // namespace openinfer::text
