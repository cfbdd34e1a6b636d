// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_map>

#include "lib/base/fail.h"
#include "lib/text/byte_alphabet.h"
#include "lib/text/tokenizer_table.h"
#include "lib/text/utf8.h"
#include "openinfer/text.h"

namespace openinfer {

using namespace text;

namespace {

constexpr std::string_view kModels[] = {"bpe", "spm", "unigram", "wordpiece", "wordlevel"};

/// The checks that come before anything is read.
TokenizerSpec checked(TokenizerSpec spec) {
  if (std::ranges::find(kModels, spec.model) == std::end(kModels))
    fail(ErrorCode::unsupported, "[tokenizer] unknown model \"{}\"; known: bpe, spm, unigram, wordpiece, wordlevel",
         spec.model);
  const std::size_t count = spec.tokens.size();
  if (count == 0) fail(ErrorCode::invalid_argument, "[tokenizer] the vocabulary is empty");
  if (count > INT32_MAX) fail(ErrorCode::invalid_argument, "[tokenizer] {} tokens do not fit 32-bit ids", count);
  if (!spec.token_types.empty() && spec.token_types.size() != count)
    fail(ErrorCode::invalid_argument, "[tokenizer] {} token types for {} tokens", spec.token_types.size(), count);
  if (!spec.scores.empty() && spec.scores.size() != count)
    fail(ErrorCode::invalid_argument, "[tokenizer] {} scores for {} tokens", spec.scores.size(), count);
  if (spec.scores.empty() && (spec.model == "spm" || spec.model == "unigram"))
    fail(ErrorCode::invalid_argument, "[tokenizer] a {} model needs scores", spec.model);
  return spec;
}

std::vector<TokenType> types_of(const TokenizerSpec& spec, std::size_t count) {
  std::vector<TokenType> out(count, TokenType::normal);
  for (std::size_t i = 0; i < spec.token_types.size(); ++i) {
    const std::int32_t kind = spec.token_types[i];
    if (kind < 1 || kind > 6)
      fail(ErrorCode::invalid_argument, "[tokenizer] token {} has type {}; types are 1 to 6", i, kind);
    out[i] = static_cast<TokenType>(kind);
  }
  return out;
}

std::shared_ptr<const PieceTrie> user_defined(const std::vector<std::string>& spelling,
                                              const std::vector<TokenType>& type) {
  std::vector<std::pair<std::string_view, TokenId>> pieces;
  for (std::size_t i = 0; i < spelling.size(); ++i)
    if (type[i] == TokenType::user_defined) pieces.emplace_back(spelling[i], static_cast<TokenId>(i));
  return std::make_shared<const PieceTrie>(std::move(pieces));
}

}  // namespace

Tokenizer::Table::Table(TokenizerSpec from)
    : spec(checked(std::move(from))),
      spelling(std::move(spec.tokens)),
      type(types_of(spec, spelling.size())),
      pre_tokenizer(spec),
      byte_level(spec.model == "bpe" && pre_tokenizer.byte_level()),
      decoder(spec, byte_level) {
  spec.tokens = {};
  read_tokens();
  check_ids();
  sentencepiece = Normalizer::is_sentencepiece(spec);
  normalizer.emplace(spec, sentencepiece ? user_defined(spelling, type) : std::make_shared<const PieceTrie>());
  model = make_word_model(spec, spelling, type, ids, byte_level);
  find_seams();
  read_added();
  spec.merges = {}, spec.scores = {}, spec.charsmap = {};
}

void Tokenizer::Table::read_tokens() {
  const std::size_t count = spelling.size();
  piece.reserve(count);
  ids.reserve(count);
  byte_tokens.fill(-1);
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = static_cast<TokenId>(i);
    const auto [at, is_new] = ids.emplace(spelling[i], id);
    if (!is_new)
      fail(ErrorCode::invalid_argument, "[tokenizer] tokens {} and {} are both \"{}\"", at->second, i, spelling[i]);
    piece.push_back(decoder.piece(spelling[i], type[i]));
    // Added tokens are literal text; so is what the alphabet cannot have spelt.
    if (type[i] == TokenType::control || type[i] == TokenType::user_defined) continue;
    if (!byte_level) {
      if (pre_tokenizer.whole_words()) words.emplace(spelling[i], id);
    } else if (const auto bytes = kByteAlphabet.to_bytes(spelling[i])) {
      if (bytes->size() == 1) byte_tokens[static_cast<unsigned char>(bytes->front())] = id;
      const bool joined = bytes->size() > 1 && type[i] == TokenType::normal && !pre_tokenizer.whole_words();
      if (joined && spec.merges.empty() && unreachable.empty()) unreachable = spelling[i];
      if (pre_tokenizer.whole_words()) spelt.push_back(*bytes), words.emplace(spelt.back(), id);
    }
  }
  for (int byte = 0; byte_level && byte < 256; ++byte)
    if (byte_tokens[static_cast<std::size_t>(byte)] < 0) missing.push_back(static_cast<char>(byte));
}

void Tokenizer::Table::find_seams() {
  const bool whole_texts = spec.model == "spm" || (spec.model == "bpe" && !byte_level);
  if (!whole_texts || !spec.continuing_prefix.empty() || !spec.word_suffix.empty()) return;
  seams.emplace();
  for (std::size_t i = 0; i < spelling.size(); ++i)
    if (type[i] != TokenType::control) seams->add(spelling[i]);
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
  for (const auto* items : {&spec.single, &spec.pair})
    for (const TemplateItem& item : *items) {
      if (item.id >= 0) check("a template", item.id);
      const TokenId lowest = items == &spec.pair ? TemplateItem::kSecond : TemplateItem::kFirst;
      if (item.id < lowest)
        fail(ErrorCode::invalid_argument, "[tokenizer] a template has the id {}; texts are -1 and, of pairs, -2",
             item.id);
    }
}

void Tokenizer::Table::read_added() {
  std::unordered_map<TokenId, AddedToken> flags;
  for (const AddedToken& token : spec.added) flags[token.id] = token;
  std::size_t bytes = 0;
  for (const std::string& text : spelling) bytes += text.size();
  Call call(bytes);  // one for all of them
  for (std::size_t i = 0; i < type.size(); ++i) {
    if (type[i] != TokenType::control && type[i] != TokenType::user_defined) continue;
    const auto id = static_cast<TokenId>(i);
    const auto found = flags.find(id);
    const AddedToken token = found == flags.end() ? AddedToken{.id = id} : found->second;
    // SentencePiece's own user-defined pieces are matters of its normaliser and model.
    if (type[i] == TokenType::user_defined && sentencepiece) continue;
    const bool control = type[i] == TokenType::control;
    if (!token.normalized || normalizer->empty()) {
      (token.normalized ? normalized_added : raw_added).add(spelling[i], token, control);
      continue;
    }
    bool whole = true;
    normalized_added.add((*normalizer)(spelling[i], whole, call).value_or(spelling[i]), token, control);
  }
}

Tokenizer::Tokenizer(TokenizerSpec spec) : table_(std::make_shared<const Table>(std::move(spec))) {}

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  return encode_texts(text, {}, options).ids;
}

Encoding Tokenizer::encode_texts(std::string_view first, std::optional<std::string_view> second,
                                 EncodeOptions options) const {
  std::optional<std::vector<TokenId>> other;
  if (second) other = encode_text(*table_, *second, options);
  return encode_around(*table_, encode_text(*table_, first, options), std::move(other), options);
}

std::string_view Tokenizer::piece(TokenId id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= table_->piece.size())
    fail(ErrorCode::invalid_argument, "[tokenizer] id {} is not in the vocabulary of {} tokens", id,
         table_->piece.size());
  return table_->piece[static_cast<std::size_t>(id)];
}

std::string Tokenizer::decode_bytes(std::span<const TokenId> ids, bool skip_special) const {
  std::string out;
  DecodeState state;
  for (const TokenId id : ids)
    if (const auto bytes = piece(id); !skip_special || !is_control(id))
      table_->decoder.append(state, table_->spelling[static_cast<std::size_t>(id)],
                             table_->type[static_cast<std::size_t>(id)], bytes, out);
  return out;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string out;
  append_lossy(out, decode_bytes(ids, skip_special), table_->decoder.byte_by_byte());
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
  const auto& table = *tokenizer_.table_;
  table.decoder.append(state_, table.spelling[static_cast<std::size_t>(id)], table.type[static_cast<std::size_t>(id)],
                       bytes, pending_);
  std::size_t whole = 0;
  while (whole < pending_.size()) {
    const Utf8Step step = utf8_step(pending_, whole);
    if (step.cut) break;
    whole += step.length;
  }
  std::string out;
  append_lossy(out, std::string_view(pending_).substr(0, whole), table.decoder.byte_by_byte());
  pending_.erase(0, whole);
  return out;
}

std::string StreamDecoder::finish() {
  std::string out;
  append_lossy(out, pending_, tokenizer_.table_->decoder.byte_by_byte());
  pending_.clear();
  state_ = {};
  return out;
}

}  // namespace openinfer
