// SPDX-License-Identifier: Apache-2.0
// One text through all steps: added tokens, normalizer, added tokens again, pre-tokenizer, model.
#include <algorithm>
#include <bit>
#include <cstring>

#include "lib/base/fail.h"
#include "lib/text/tokenizer_table.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

std::uint64_t hash_of(std::string_view word) {
  std::uint64_t hash = word.size() * 0x9E3779B97F4A7C15u;
  while (!word.empty()) {
    std::uint64_t chunk = 0;
    const std::size_t size = std::min<std::size_t>(word.size(), 8);
    std::memcpy(&chunk, word.data(), size);
    hash = (hash ^ chunk) * 0xFF51AFD7ED558CCDu;
    hash ^= hash >> 32;
    word.remove_prefix(size);
  }
  return hash;
}

/// Words already encoded in this call. A word's ids are where they first went in `out`, its bytes in the text itself,
/// so an entry owns nothing; a later word with the same slot takes it over, which bounds the size.
class WordCache {
 public:
  explicit WordCache(std::size_t text_size)
      : entries_(std::bit_ceil(std::clamp<std::size_t>(text_size / 8, 1, std::size_t{1} << 14))) {}

  /// Appends the ids of `word` to `out`: those of the last time, or encode(word)'s.
  template <class Encode>
  void get(std::string_view word, std::vector<TokenId>& out, Encode&& encode) {
    if (word.size() > kLongest) return encode(word);
    Entry& entry = entries_[hash_of(word) & (entries_.size() - 1)];
    const std::size_t at = out.size();
    if (entry.word == word && entry.word.data()) {
      for (std::size_t i = 0; i < entry.count; ++i) out.push_back(out[entry.first + i]);
    } else {
      encode(word);
    }
    entry = {word, at, out.size() - at};
  }

 private:
  static constexpr std::size_t kLongest = 64;  // longer words hardly come twice
  struct Entry {
    std::string_view word;
    std::size_t first = 0, count = 0;
  };
  std::vector<Entry> entries_;
};

/// One call of encode.
class Encoder {
 public:
  Encoder(const Tokenizer::Table& table, const EncodeOptions& options, std::size_t text_size)
      : table_(table), options_(options), cache_(text_size), bytes_(table.byte_tokens), call_(text_size) {
    if (options.missing_byte != EncodeOptions::MissingByte::unk) return;
    if (!table.spec.unk)
      fail(ErrorCode::invalid_argument, "[tokenizer] missing bytes shall become unk, but the vocabulary names none");
    std::ranges::replace(bytes_, -1, *table.spec.unk);
  }

  std::vector<TokenId> run(std::string_view text) {
    out_.reserve(text.size() / 4 + 2);
    // SentencePiece's normaliser takes any bytes.
    if (!table_.byte_level && !table_.sentencepiece && !is_utf8(text)) {
      std::string valid;
      append_lossy(valid, text, true);
      text = call_.keep(std::move(valid));
    }
    table_.raw_added.split(text, options_.parse_special, [&](std::string_view part, TokenId id) {
      if (id >= 0) return out_.push_back(id);
      normalized(part, part.data() == text.data());
    });
    return std::move(out_);
  }

 private:
  void normalized(std::string_view text, bool first) {
    if (auto changed = (*table_.normalizer)(text, first, call_)) text = call_.keep(*std::move(changed));
    table_.normalized_added.split(text, options_.parse_special, [&](std::string_view part, TokenId id) {
      if (id >= 0) return out_.push_back(id);
      plain(part, first && part.data() == text.data());
    });
  }

  /// Text without added tokens. Runs that are not UTF-8 are words of their own.
  void plain(std::string_view text, bool first) {
    if (table_.byte_level && table_.spec.add_space_prefix && !text.starts_with(' '))
      text = call_.keep(" " + std::string(text));
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Run run = utf8_run(text, at);
      const std::string_view part = text.substr(at, run.end - at);
      if (run.valid) {
        table_.pre_tokenizer.split(part, first && at == 0, call_, [&](std::string_view word) { whole(word); });
      } else {
        word(part);
      }
      at = run.end;
    }
  }

  void whole(std::string_view word) {
    if (table_.pre_tokenizer.whole_words())
      if (const auto found = table_.words.find(word); found != table_.words.end()) return out_.push_back(found->second);
    if (table_.seams) return table_.seams->split(word, [&](std::string_view part) { this->word(part); });
    this->word(word);
  }

  void word(std::string_view word) {
    cache_.get(word, out_, [&](std::string_view fresh) {
      if (table_.byte_level && options_.missing_byte == EncodeOptions::MissingByte::refuse) refuse_missing(fresh);
      table_.model->encode(fresh, bytes_, out_);
    });
  }

  void refuse_missing(std::string_view word) const {
    for (const char c : word)
      if (table_.byte_tokens[static_cast<unsigned char>(c)] < 0)
        fail(ErrorCode::invalid_argument, "[tokenizer] the vocabulary has no token for byte 0x{:02X}",
             static_cast<unsigned char>(c));
  }

  const Tokenizer::Table& table_;
  const EncodeOptions& options_;
  WordCache cache_;
  ByteTokens bytes_;
  std::vector<TokenId> out_;
  Call call_;  // the cache refers to the texts that it keeps
};

/// What of each text stays when together they may have `room` tokens. Source: utils/truncation.rs of `tokenizers`.
std::pair<std::size_t, std::size_t> kept_sizes(std::size_t first, std::size_t second, bool pair, std::size_t room,
                                               EncodeOptions::Truncate truncate) {
  using Truncate = EncodeOptions::Truncate;
  if (first + second <= room) return {first, second};
  if (!pair) return {room, 0};
  if (truncate != Truncate::longest_first) {
    const std::size_t other = truncate == Truncate::first ? second : first;
    if (other > room)
      fail(ErrorCode::invalid_argument,
           "[tokenizer] the text that may not be cut has {} tokens, max_tokens leaves room for {}", other, room);
    return truncate == Truncate::first ? std::pair(room - second, second) : std::pair(first, room - first);
  }
  const bool swap = first > second;
  std::size_t shorter = std::min(first, second);
  std::size_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (shorter + longer > room) shorter = room / 2, longer = room - room / 2;
  return swap ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

/// The tokens around one or two texts where the spec has no template of its own.
std::vector<TemplateItem> default_items(const TokenizerSpec& spec, bool pair) {
  std::vector<TemplateItem> items;
  if (pair && spec.model == "wordpiece" && spec.cls && spec.sep)
    return {{*spec.cls, 0}, {TemplateItem::kFirst, 0}, {*spec.sep, 0}, {TemplateItem::kSecond, 1}, {*spec.sep, 1}};
  for (const int type : pair ? std::vector<int>{0, 1} : std::vector<int>{0}) {
    if (spec.add_bos) items.push_back({*spec.bos, type});
    items.push_back({type == 0 ? TemplateItem::kFirst : TemplateItem::kSecond, type});
    if (spec.add_eos) items.push_back({*spec.eos, type});
  }
  return items;
}

std::vector<TemplateItem> items_of(const TokenizerSpec& spec, bool pair, bool specials) {
  const auto& given = pair ? spec.pair : spec.single;
  auto items = given.empty() ? default_items(spec, pair) : given;
  if (!specials) std::erase_if(items, [](const TemplateItem& item) { return item.id >= 0; });
  return items;
}

}  // namespace

std::vector<TokenId> encode_text(const Tokenizer::Table& table, std::string_view text, const EncodeOptions& options) {
  if (!table.unreachable.empty())
    fail(ErrorCode::invalid_argument,
         "[tokenizer] the vocabulary has \"{}\" and there are no merges that lead to it: texts would become single "
         "bytes; convert a checkpoint that has its merges, or give token ids",
         table.unreachable);
  return Encoder(table, options, text.size()).run(text);
}

Encoding encode_around(const Tokenizer::Table& table, std::vector<TokenId> first,
                       std::optional<std::vector<TokenId>> second, const EncodeOptions& options) {
  const auto items = items_of(table.spec, second.has_value(), options.add_special);
  if (options.max_tokens > 0) {
    const auto around =
        static_cast<std::size_t>(std::ranges::count_if(items, [](const TemplateItem& item) { return item.id >= 0; }));
    if (around > options.max_tokens)
      fail(ErrorCode::invalid_argument, "[tokenizer] max_tokens is {}, but {} tokens go around the texts",
           options.max_tokens, around);
    const auto [a, b] = kept_sizes(first.size(), second ? second->size() : 0, second.has_value(),
                                   options.max_tokens - around, options.truncate);
    first.resize(a);
    if (second) second->resize(b);
  }
  Encoding out;
  for (const TemplateItem& item : items) {
    const std::vector<TokenId> own(1, item.id);
    const auto& ids = item.id == TemplateItem::kFirst ? first : item.id == TemplateItem::kSecond ? *second : own;
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.types.insert(out.types.end(), ids.size(), item.type);
  }
  return out;
}

}  // namespace openinfer::text
