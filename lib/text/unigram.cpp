// SPDX-License-Identifier: Apache-2.0
#include "lib/text/unigram.h"

#include <algorithm>
#include <array>
#include <limits>

#include "lib/base/fail.h"
#include "lib/text/normalizer.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

constexpr double kUnknownPenalty = 10;

}  // namespace

Unigram::Unigram(const TokenizerSpec& spec, const std::vector<std::string>& spelling,
                 const std::vector<TokenType>& types, const Ids& ids)
    : scores_(spec.scores), unk_(spec.unk), native_(Normalizer::is_sentencepiece(spec)) {
  scores_.resize(spelling.size());
  user_defined_.resize(spelling.size());
  std::vector<std::pair<std::string_view, TokenId>> pieces;
  double lowest = native_ ? std::numeric_limits<float>::max() : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < spelling.size(); ++i) {
    const bool normal = types[i] == TokenType::normal, defined = native_ && types[i] == TokenType::user_defined;
    if (normal || !native_) lowest = std::min(lowest, scores_[i]);
    if (normal || defined) pieces.emplace_back(spelling[i], static_cast<TokenId>(i));
    user_defined_[i] = defined;
  }
  trie_ = PieceTrie(std::move(pieces));
  unk_score_ = native_ ? static_cast<float>(lowest) - static_cast<float>(kUnknownPenalty) : lowest - kUnknownPenalty;
  if (spec.byte_fallback) fallback_ = byte_pieces(ids);
}

template <class Sum>
void Unigram::best_path(std::string_view word, std::vector<TokenId>& out) const {
  struct End {
    Sum sum = 0;               // of the best path that ends here
    std::uint32_t length = 0;  // of its last piece; 0: no path yet
    TokenId id = -1;           // -1: unknown
  };
  std::vector<End> ends(word.size() + 1);
  const auto offer = [](End& end, Sum sum, std::size_t length, TokenId id) {
    if (end.length == 0 || sum > end.sum) end = {sum, static_cast<std::uint32_t>(length), id};
  };
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t character = utf8_step(word, at).length;
    const Sum here = ends[at].sum;
    bool covered = false;
    PieceTrie::Node node = PieceTrie::kRoot;
    for (std::size_t end = at; end < word.size() && (node = trie_.step(node, word[end])) != PieceTrie::kNone;) {
      ++end;
      const TokenId id = trie_.token(node);
      if (id < 0) continue;
      const std::size_t length = end - at, index = static_cast<std::size_t>(id);
      // SentencePiece's largest score is never below FLT_MIN: a user-defined piece scores -0.1, better than any.
      const double score =
          user_defined_[index] ? static_cast<float>(length) * std::numeric_limits<float>::min() - 0.1 : scores_[index];
      offer(ends[end], static_cast<Sum>(score) + here, length, id);
      covered |= length == character;
    }
    if (!covered) offer(ends[at + character], static_cast<Sum>(unk_score_) + here, character, -1);
    at += character;
  }
  const std::size_t first = out.size();
  bool after_unk = false;
  for (std::size_t end = word.size(); end > 0; end -= ends[end].length) {  // backwards, so are the ids
    const TokenId id = ends[end].id;
    if (id < 0 || id == unk_) {
      std::vector<TokenId> bytes;
      if (fallback_ && append_bytes(*fallback_, word.substr(end - ends[end].length, ends[end].length), bytes)) {
        out.insert(out.end(), bytes.rbegin(), bytes.rend());
        continue;
      }
      if (unk_ && !after_unk) out.push_back(*unk_);
      after_unk = true;
      continue;
    }
    after_unk = false;
    out.push_back(id);
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

void Unigram::encode(std::string_view word, const ByteTokens&, std::vector<TokenId>& out) const {
  if (word.size() >= UINT32_MAX) fail(ErrorCode::unsupported, "[tokenizer] a word of {} bytes", word.size());
  return native_ ? best_path<float>(word, out) : best_path<double>(word, out);
}

}  // namespace openinfer::text
