// SPDX-License-Identifier: Apache-2.0
#include "lib/text/bpe.h"

#include <algorithm>
#include <bit>
#include <queue>
#include <utility>

#include "lib/base/fail.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

/// Words up to this many symbols are merged by looking at all pairs again and again: O(n²), but faster while n is
/// small. Longer ones use a queue: O(n log n).
constexpr std::size_t kShortWord = 32;

TokenId piece_id(const Ids& ids, std::string_view piece, std::string_view merge, std::size_t rank) {
  const auto found = ids.find(piece);
  if (found == ids.end())
    fail(ErrorCode::invalid_argument, "[tokenizer] merge {} (\"{}\") needs \"{}\", which is not in the vocabulary",
         rank, merge, piece);
  return found->second;
}

}  // namespace

MergeTable::MergeTable(std::size_t count) : slots_(std::bit_ceil(2 * count + 1)), mask_(slots_.size() - 1) {}

void MergeTable::add(TokenId left, TokenId right, Merge merge) {
  const std::uint64_t key = key_of(left, right);
  std::size_t slot = hash(key) & mask_;
  while (slots_[slot].key != kFree && slots_[slot].key != key) slot = (slot + 1) & mask_;
  slots_[slot] = {key, merge};
}

Merges::Merges(const std::vector<std::string>& merges, const Ids& ids, std::string_view prefix)
    : table_(merges.size()) {
  std::string joined;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view merge = merges[rank];
    const auto space = merge.find(' ', 1);
    if (space == merge.npos || space + 1 == merge.size())
      fail(ErrorCode::invalid_argument, "[tokenizer] merge {} (\"{}\") is not two pieces with a space between", rank,
           merge);
    const auto left = merge.substr(0, space), right = merge.substr(space + 1);
    joined.assign(left).append(right.substr(right.starts_with(prefix) ? prefix.size() : 0));
    const TokenId left_id = piece_id(ids, left, merge, rank), right_id = piece_id(ids, right, merge, rank);
    table_.add(left_id, right_id, {static_cast<std::uint32_t>(rank), piece_id(ids, joined, merge, rank)});
  }
}

void Merges::apply(std::span<TokenId> symbols, std::vector<TokenId>& out) const {
  return symbols.size() <= kShortWord ? merge_short(symbols, out) : merge_long(symbols, out);
}

void ByteBpe::encode(std::string_view word, const ByteTokens& bytes, std::vector<TokenId>& out) const {
  std::array<TokenId, kShortWord> near;
  std::vector<TokenId> far;
  TokenId* symbols = near.data();
  if (word.size() > kShortWord) {
    far.resize(word.size());
    symbols = far.data();
  }
  std::size_t count = 0;
  for (const char c : word)
    if (const TokenId id = bytes[static_cast<unsigned char>(c)]; id >= 0) symbols[count++] = id;
  merges_.apply({symbols, count}, out);
}

CharBpe::CharBpe(const TokenizerSpec& spec, const Ids& ids)
    : ids_(ids),
      merges_(spec.merges, ids, spec.continuing_prefix),
      prefix_(spec.continuing_prefix),
      suffix_(spec.word_suffix),
      unk_(spec.unk),
      fuse_unk_(spec.fuse_unk) {
  if (spec.byte_fallback) fallback_ = byte_pieces(ids);
}

TokenId CharBpe::symbol(std::string_view character, bool first, bool last, std::string& room) const {
  if ((!first && !prefix_.empty()) || (last && !suffix_.empty())) {
    room.assign(first ? "" : prefix_).append(character).append(last ? suffix_ : "");
    character = room;
  }
  const auto found = ids_.find(character);
  return found == ids_.end() ? -1 : found->second;
}

void CharBpe::encode(std::string_view word, const ByteTokens&, std::vector<TokenId>& out) const {
  std::vector<TokenId> symbols;
  std::string room;
  bool unk = false;  // one is due: the library writes it when the next known symbol comes, behind bytes
  const auto flush = [&] {
    if (std::exchange(unk, false)) symbols.push_back(*unk_);
  };
  for (std::size_t at = 0; at < word.size();) {
    const std::string_view character = word.substr(at, utf8_step(word, at).length);
    const bool first = at == 0;
    at += character.size();
    if (const TokenId id = symbol(character, first, at == word.size(), room); id >= 0) {
      flush();
      symbols.push_back(id);
    } else if (fallback_ && append_bytes(*fallback_, character, symbols)) {
    } else if (unk_) {
      if (!fuse_unk_) flush();
      unk = true;
    }
  }
  flush();
  merges_.apply(symbols, out);
}

void Merges::merge_short(std::span<TokenId> symbols, std::vector<TokenId>& out) const {
  std::array<MergeTable::Merge, kShortWord> merges;  // of the pair (i, i + 1); the last stays "none"
  std::size_t count = symbols.size();
  for (std::size_t i = 0; i + 1 < count; ++i) merges[i] = table_.find(symbols[i], symbols[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i)
      if (merges[i].rank < merges[best].rank) best = i;
    if (merges[best].rank == UINT32_MAX) break;
    symbols[best] = merges[best].joined;
    std::copy(symbols.begin() + best + 2, symbols.begin() + count, symbols.begin() + best + 1);
    std::copy(merges.begin() + best + 1, merges.begin() + (count - 1), merges.begin() + best);
    --count;
    if (best > 0) merges[best - 1] = table_.find(symbols[best - 1], symbols[best]);
    if (best + 1 < count) merges[best] = table_.find(symbols[best], symbols[best + 1]);
  }
  out.insert(out.end(), symbols.begin(), symbols.begin() + count);
}

void Merges::merge_long(std::span<TokenId> symbols, std::vector<TokenId>& out) const {
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t left;  // index of the left symbol
    std::uint32_t right;
    TokenId left_id, right_id;  // what stood there: if it changed since, the candidate is void
    TokenId joined;
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };
  if (symbols.size() >= UINT32_MAX) fail(ErrorCode::unsupported, "[tokenizer] a word of {} bytes", symbols.size());
  const auto count = static_cast<std::uint32_t>(symbols.size());
  std::vector<std::uint32_t> next(count), previous(count);
  std::vector<Candidate> candidates;
  candidates.reserve(count);
  const auto candidate = [&](std::uint32_t left, std::uint32_t right, auto&& use) {
    const auto merge = table_.find(symbols[left], symbols[right]);
    if (merge.rank != UINT32_MAX) use(Candidate{merge.rank, left, right, symbols[left], symbols[right], merge.joined});
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1;
    previous[i] = i - 1;
    if (i + 1 < count) candidate(i, i + 1, [&](Candidate c) { candidates.push_back(c); });
  }
  std::priority_queue<Candidate> queue({}, std::move(candidates));
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    if (symbols[top.left] != top.left_id || symbols[top.right] != top.right_id || next[top.left] != top.right) continue;
    symbols[top.left] = top.joined;
    symbols[top.right] = -1;
    next[top.left] = next[top.right];
    if (next[top.left] < count) {
      previous[next[top.left]] = top.left;
      candidate(top.left, next[top.left], [&](Candidate c) { queue.push(c); });
    }
    if (top.left > 0) candidate(previous[top.left], top.left, [&](Candidate c) { queue.push(c); });
  }
  for (std::uint32_t i = 0; i < count; i = next[i]) out.push_back(symbols[i]);
}

}  // namespace openinfer::text
