// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <unordered_map>

#include "lib/base/fail.h"
#include "lib/text/added_tokens.h"
#include "lib/text/bpe.h"
#include "lib/text/byte_alphabet.h"
#include "lib/text/normalizer.h"
#include "lib/text/pretokenizer.h"
#include "lib/text/utf8.h"
#include "openinfer/text.h"

namespace openinfer {

using namespace text;

struct Tokenizer::Table {
  explicit Table(TokenizerSpec from);

  TokenizerSpec spec;                                   // without tokens and merges
  std::vector<std::string> spelling;                    // by id, as the vocabulary has it
  std::vector<std::string> piece;                       // by id, the bytes it stands for
  std::vector<TokenType> type;                          // by id
  std::unordered_map<std::string_view, TokenId> ids;    // by spelling
  std::unordered_map<std::string_view, TokenId> words;  // by bytes: tokens that a whole word may become
  std::array<TokenId, 256> byte_tokens{};               // -1: the vocabulary lacks the byte
  std::string missing;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  AddedTokens raw_added, normalized_added;  // looked for before and after the normalizer
  std::unique_ptr<const Bpe> bpe;

 private:
  void read_tokens(std::vector<std::string> tokens);
  void read_added();
  void check_ids() const;
};

namespace {

/// Byte-level BPE is all there is; the check comes before anything is read.
TokenizerSpec checked(TokenizerSpec spec) {
  if (spec.model != "bpe")
    fail(ErrorCode::unsupported, "[tokenizer] unknown model \"{}\"; known: bpe (byte-level)", spec.model);
  const std::size_t count = spec.tokens.size();
  if (count == 0) fail(ErrorCode::invalid_argument, "[tokenizer] the vocabulary is empty");
  if (count > INT32_MAX) fail(ErrorCode::invalid_argument, "[tokenizer] {} tokens do not fit 32-bit ids", count);
  if (!spec.token_types.empty() && spec.token_types.size() != count)
    fail(ErrorCode::invalid_argument, "[tokenizer] {} token types for {} tokens", spec.token_types.size(), count);
  if (!spec.scores.empty() && spec.scores.size() != count)
    fail(ErrorCode::invalid_argument, "[tokenizer] {} scores for {} tokens", spec.scores.size(), count);
  return spec;
}

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
      : table_(table), options_(options), cache_(text_size), bytes_(table.byte_tokens) {
    if (options.missing_byte != EncodeOptions::MissingByte::unk) return;
    if (!table.spec.unk)
      fail(ErrorCode::invalid_argument, "[tokenizer] missing bytes shall become unk, but the vocabulary names none");
    std::ranges::replace(bytes_, -1, *table.spec.unk);
  }

  std::vector<TokenId> run(std::string_view text) {
    out_.reserve(text.size() / 4 + 2);
    const bool specials = options_.add_special;
    if (specials && table_.spec.add_bos) out_.push_back(*table_.spec.bos);
    table_.raw_added.split(text, options_.parse_special, [&](std::string_view part, TokenId id) {
      if (id >= 0) return out_.push_back(id);
      normalized(part);
    });
    if (specials && table_.spec.add_eos) out_.push_back(*table_.spec.eos);
    return std::move(out_);
  }

 private:
  void normalized(std::string_view text) {
    bool changed = false;
    std::string form = normalize(table_.normalizer, text, changed);
    if (changed) text = keep(std::move(form));
    table_.normalized_added.split(text, options_.parse_special, [&](std::string_view part, TokenId id) {
      if (id >= 0) return out_.push_back(id);
      plain(part);
    });
  }

  /// Text without added tokens. Runs that are not UTF-8 are words of their own.
  void plain(std::string_view text) {
    if (table_.spec.add_space_prefix && !text.starts_with(' ')) text = keep(" " + std::string(text));
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Run run = utf8_run(text, at);
      const std::string_view part = text.substr(at, run.end - at);
      if (run.valid) {
        table_.pre_tokenizer.split(part, [&](std::string_view word) { this->word(word); });
      } else {
        word(part);
      }
      at = run.end;
    }
  }

  void word(std::string_view word) {
    cache_.get(word, out_, [&](std::string_view fresh) {
      if (options_.missing_byte == EncodeOptions::MissingByte::refuse) refuse_missing(fresh);
      if (table_.pre_tokenizer.whole_words())
        if (const auto found = table_.words.find(fresh); found != table_.words.end())
          return out_.push_back(found->second);
      table_.bpe->encode(fresh, bytes_, out_);
    });
  }

  void refuse_missing(std::string_view word) const {
    for (const char c : word)
      if (table_.byte_tokens[static_cast<unsigned char>(c)] < 0)
        fail(ErrorCode::invalid_argument, "[tokenizer] the vocabulary has no token for byte 0x{:02X}",
             static_cast<unsigned char>(c));
  }

  /// The cache refers to the text that it saw, so text made on the way lives as long as the call.
  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }

  const Tokenizer::Table& table_;
  const EncodeOptions& options_;
  WordCache cache_;
  std::array<TokenId, 256> bytes_;
  std::vector<TokenId> out_;
  std::deque<std::string> kept_;
};

}  // namespace

Tokenizer::Table::Table(TokenizerSpec from)
    : spec(checked(std::move(from))), normalizer(parse_normalizer(spec.normalizer)), pre_tokenizer(spec.pre) {
  read_tokens(std::move(spec.tokens));
  spec.tokens = {};
  check_ids();
  bpe = std::make_unique<Bpe>(spec.merges, ids);
  spec.merges = {};
  read_added();
}

void Tokenizer::Table::read_tokens(std::vector<std::string> tokens) {
  spelling = std::move(tokens);
  const std::size_t count = spelling.size();
  piece.reserve(count);
  type.reserve(count);
  ids.reserve(count);
  byte_tokens.fill(-1);
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::int32_t kind = spec.token_types.empty() ? 1 : spec.token_types[i];
    if (kind < 1 || kind > 6)
      fail(ErrorCode::invalid_argument, "[tokenizer] token {} has type {}; types are 1 to 6", i, kind);
    type.push_back(static_cast<TokenType>(kind));
    const auto [at, is_new] = ids.emplace(spelling[i], id);
    if (!is_new)
      fail(ErrorCode::invalid_argument, "[tokenizer] tokens {} and {} are both \"{}\"", at->second, i, spelling[i]);
    // Added tokens are literal text; so is what the alphabet cannot have spelt.
    const bool spelt = type.back() != TokenType::control && type.back() != TokenType::user_defined;
    auto bytes = spelt ? kByteAlphabet.to_bytes(spelling[i]) : std::nullopt;
    if (bytes && bytes->size() == 1) byte_tokens[static_cast<unsigned char>(bytes->front())] = id;
    const bool in_alphabet = bytes.has_value();
    piece.push_back(in_alphabet ? *std::move(bytes) : spelling[i]);
    if (in_alphabet && pre_tokenizer.whole_words()) words.emplace(piece.back(), id);
  }
  for (int byte = 0; byte < 256; ++byte)
    if (byte_tokens[static_cast<std::size_t>(byte)] < 0) missing.push_back(static_cast<char>(byte));
}

void Tokenizer::Table::check_ids() const {
  const auto check = [&](std::string_view what, std::optional<TokenId> id) {
    if (id && (*id < 0 || static_cast<std::size_t>(*id) >= spelling.size()))
      fail(ErrorCode::invalid_argument, "[tokenizer] {} is id {}, but the vocabulary has {} tokens", what, *id,
           spelling.size());
  };
  check("bos", spec.bos), check("eos", spec.eos), check("unk", spec.unk);
  check("pad", spec.pad), check("sep", spec.sep), check("cls", spec.cls);
  for (const TokenId id : spec.eos_ids) check("eos", id);
  for (const AddedToken& token : spec.added) check("an added token", token.id);
  if (spec.add_bos && !spec.bos)
    fail(ErrorCode::invalid_argument, "[tokenizer] add_bos is set, but there is no bos id");
  if (spec.add_eos && !spec.eos)
    fail(ErrorCode::invalid_argument, "[tokenizer] add_eos is set, but there is no eos id");
}

void Tokenizer::Table::read_added() {
  std::unordered_map<TokenId, AddedToken> flags;
  for (const AddedToken& token : spec.added) flags[token.id] = token;
  for (std::size_t i = 0; i < type.size(); ++i) {
    if (type[i] != TokenType::control && type[i] != TokenType::user_defined) continue;
    const auto id = static_cast<TokenId>(i);
    const auto found = flags.find(id);
    const AddedToken token = found == flags.end() ? AddedToken{.id = id} : found->second;
    (token.normalized ? normalized_added : raw_added).add(spelling[i], token, type[i] == TokenType::control);
  }
}

Tokenizer::Tokenizer(TokenizerSpec spec) : table_(std::make_shared<const Table>(std::move(spec))) {}

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  return Encoder(*table_, options, text.size()).run(text);
}

std::string_view Tokenizer::piece(TokenId id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= table_->piece.size())
    fail(ErrorCode::invalid_argument, "[tokenizer] id {} is not in the vocabulary of {} tokens", id,
         table_->piece.size());
  return table_->piece[static_cast<std::size_t>(id)];
}

std::string Tokenizer::decode_bytes(std::span<const TokenId> ids, bool skip_special) const {
  std::string out;
  for (const TokenId id : ids)
    if (const auto bytes = piece(id); !skip_special || !is_control(id)) out += bytes;
  return out;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string out;
  append_lossy(out, decode_bytes(ids, skip_special));
  return out;
}

std::size_t Tokenizer::vocab_size() const { return table_->piece.size(); }

std::optional<TokenId> Tokenizer::find(std::string_view token) const {
  const auto found = table_->ids.find(token);
  return found == table_->ids.end() ? std::nullopt : std::optional(found->second);
}

bool Tokenizer::is_control(TokenId id) const {
  return id >= 0 && static_cast<std::size_t>(id) < table_->type.size() &&
         table_->type[static_cast<std::size_t>(id)] == TokenType::control;
}

bool Tokenizer::is_end(TokenId id) const {
  return table_->spec.eos == id || std::ranges::count(table_->spec.eos_ids, id) > 0;
}

const std::string& Tokenizer::missing_bytes() const { return table_->missing; }

const TokenizerSpec& Tokenizer::spec() const { return table_->spec; }

std::string StreamDecoder::push(TokenId id) {
  const std::string_view bytes = tokenizer_.piece(id);
  if (skip_special_ && tokenizer_.is_control(id)) return {};
  pending_ += bytes;
  std::size_t whole = 0;
  while (whole < pending_.size()) {
    const Utf8Step step = utf8_step(pending_, whole);
    if (step.cut) break;
    whole += step.length;
  }
  std::string out;
  append_lossy(out, std::string_view(pending_).substr(0, whole));
  pending_.erase(0, whole);
  return out;
}

std::string StreamDecoder::finish() {
  std::string out;
  append_lossy(out, pending_);
  pending_.clear();
  return out;
}

}  // namespace openinfer
