// SPDX-License-Identifier: Apache-2.0
#include "lib/text/spm.h"

#include <algorithm>
#include <queue>

#include "lib/base/fail.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

/// A part of the word; joined ones are lists in both directions.
struct SpmBpe::Symbol {
  std::uint32_t begin = 0, size = 0;  // size 0: joined to the symbol before
  std::uint32_t previous = 0, next = 0;
  bool frozen = false;
};

/// The state of one word.
struct SpmBpe::Joining {
  struct Candidate {
    float score;
    std::uint32_t left, right, size;
    bool operator<(const Candidate& other) const {
      return score != other.score ? score < other.score : left > other.left;
    }
  };
  std::priority_queue<Candidate> queue;
  std::unordered_map<std::string_view, std::uint32_t> parts;  // of unused pieces: the size of the left one
};

SpmBpe::SpmBpe(const TokenizerSpec& spec, const std::vector<std::string>& spelling, const std::vector<TokenType>& types,
               const Ids& ids)
    : types_(types), scores_(spelling.size()), unk_(spec.unk) {
  std::ranges::transform(spec.scores, scores_.begin(), [](double score) { return static_cast<float>(score); });
  std::vector<std::pair<std::string_view, TokenId>> user_defined;
  for (std::size_t i = 0; i < spelling.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const bool joins = types[i] == TokenType::normal || types[i] == TokenType::unused;
    if (types[i] == TokenType::user_defined) user_defined.emplace_back(spelling[i], id);
    if (!joins && types[i] != TokenType::user_defined) continue;
    pieces_.emplace(spelling[i], id);
    longest_ = std::max(longest_, spelling[i].size());
  }
  user_defined_ = PieceTrie(std::move(user_defined));
  if (spec.byte_fallback) fallback_ = byte_pieces(ids);
}

TokenId SpmBpe::piece(std::string_view text) const {
  if (text.size() > longest_) return -1;
  const auto found = pieces_.find(text);
  return found == pieces_.end() ? -1 : found->second;
}

std::vector<SpmBpe::Symbol> SpmBpe::symbols(std::string_view word) const {
  std::vector<Symbol> out;
  out.reserve(word.size());
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t defined = user_defined_.empty() ? 0 : user_defined_.longest(word.substr(at)).first;
    const std::size_t size = defined > 0 ? defined : utf8_step(word, at).length;
    const auto index = static_cast<std::uint32_t>(out.size());
    out.push_back(
        {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size), index - 1, index + 1, defined > 0});
    at += size;
  }
  return out;
}

void SpmBpe::encode(std::string_view word, const ByteTokens&, std::vector<TokenId>& out) const {
  if (word.size() >= UINT32_MAX) fail(ErrorCode::unsupported, "[tokenizer] a word of {} bytes", word.size());
  std::vector<Symbol> parts = symbols(word);
  const auto count = static_cast<std::uint32_t>(parts.size());
  Joining joining;
  const auto consider = [&](std::uint32_t left, std::uint32_t right) {
    if (left >= count || right >= count || parts[left].frozen || parts[right].frozen) return;
    const std::uint32_t size = parts[left].size + parts[right].size;
    const std::string_view text = word.substr(parts[left].begin, size);
    const TokenId id = piece(text);
    if (id < 0) return;
    joining.queue.push({scores_[static_cast<std::size_t>(id)], left, right, size});
    if (types_[static_cast<std::size_t>(id)] == TokenType::unused) joining.parts[text] = parts[left].size;
  };
  for (std::uint32_t i = 1; i < count; ++i) consider(i - 1, i);
  while (!joining.queue.empty()) {
    const auto top = joining.queue.top();
    joining.queue.pop();
    Symbol &left = parts[top.left], &right = parts[top.right];
    if (left.size == 0 || right.size == 0 || left.size + right.size != top.size) continue;
    left.size = top.size;
    left.next = right.next;
    right.size = 0;
    if (left.next < count) parts[left.next].previous = top.left;
    consider(left.previous, top.left);
    consider(top.left, left.next);
  }
  bool after_unk = false;
  for (std::uint32_t i = 0; i < count; i = parts[i].next)
    append(word.substr(parts[i].begin, parts[i].size), joining, out, after_unk);
}

void SpmBpe::append(std::string_view text, const Joining& joining, std::vector<TokenId>& out, bool& after_unk) const {
  const TokenId id = piece(text);
  if (id >= 0 && types_[static_cast<std::size_t>(id)] == TokenType::unused)
    if (const auto found = joining.parts.find(text); found != joining.parts.end()) {
      append(text.substr(0, found->second), joining, out, after_unk);
      return append(text.substr(found->second), joining, out, after_unk);
    }
  if (id >= 0) return out.push_back(id), after_unk = false, void();
  if (fallback_ && append_bytes(*fallback_, text, out)) return;
  if (unk_ && !after_unk) out.push_back(*unk_);
  after_unk = true;
}

}  // namespace openinfer::text
