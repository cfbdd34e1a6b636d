// SPDX-License-Identifier: Apache-2.0
#include "lib/text/decoder.h"

#include <utility>

#include "lib/base/fail.h"
#include "lib/text/byte_alphabet.h"
#include "lib/text/component.h"
#include "lib/text/normalizer.h"
#include "lib/text/word_model.h"

namespace openinfer::text {

namespace {

constexpr std::string_view kSpace = "\u2581", kUnknown = " \u2047 ";  // SentencePiece's text for unknown
/// A token says at most so many bytes for each of its spelling, and these more: published decoders make fewer of it.
constexpr std::size_t kGrowth = 16, kRoom = 64;
constexpr std::string_view kDecoders =
    "BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::size_t at = text.find(from), done = 0;
  if (at == text.npos) return;
  std::string out;
  for (; at != text.npos; at = text.find(from, done)) {
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  text = std::move(out.append(text, done));
}

/// One Replace of a tokenizer.json; the text may grow to `most` bytes.
void replace_some(std::string& text, const std::pair<std::string, std::string>& rule, std::size_t most) {
  const auto& [from, to] = rule;
  if (to.size() > from.size()) {
    std::size_t size = text.size();
    for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += from.size())
      size += to.size() - from.size();
    if (size > most)
      fail(ErrorCode::unsupported,
           "[tokenizer] the decoder's Replace of \"{:.64}\" makes a token's text {} bytes long; {} are allowed for it",
           from, size, most);
  }
  replace_all(text, from, to);
}

/// The clean-up of English text that BERT's decoder does to each token. Source: wordpiece.rs of `tokenizers`.
void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

}  // namespace

Decoder::Decoder(const TokenizerSpec& spec, bool byte_level) {
  if (!spec.decoder.empty() && spec.decoder != "null") {
    add_json(spec);
  } else if (byte_level) {
    byte_level_ = true;
  } else if (Normalizer::is_sentencepiece(spec)) {
    sentencepiece_ = true;
    byte_fallback_ = true;
    squeeze_ = spec.remove_extra_whitespaces;
    dummy_prefix_ = spec.escape_whitespaces && (spec.add_space_prefix || squeeze_);
    if (spec.escape_whitespaces) replace_ = {{std::string(kSpace), " "}};
  } else {
    glue_ = true;
    if (spec.model == "wordpiece") prefix_ = spec.continuing_prefix, cleanup_ = true;
  }
}

void Decoder::add_json(const TokenizerSpec& spec) {
  bool fused = false;
  for (const Component& part : Component("decoder", spec.decoder).parts("decoders")) {
    if (part.is("ByteLevel")) {
      byte_level_ = true;
    } else if (part.is("ByteFallback")) {
      byte_fallback_ = true;
    } else if (part.is("Fuse")) {
      fused = true;
    } else if (part.is("WordPiece")) {
      glue_ = true;
      prefix_ = part.text("prefix", "##");
      cleanup_ = part.flag("cleanup", true);
    } else if (part.is("BPEDecoder")) {
      suffix_ = part.text("suffix", "</w>");
    } else if (part.is("Metaspace")) {
      meta_ = part.text("replacement", kSpace);
      first_differs_ = part.text("prepend_scheme", part.flag("add_prefix_space", true) ? "always" : "never") != "never";
    } else if (part.is("Replace") && !part.pattern().regex && !part.pattern().text.empty()) {
      replace_.emplace_back(part.pattern().text, part.text("content"));
    } else if (part.is("Strip") && fused && part.number("stop", 0) == 0 && part.number("start", 0) >= 0) {
      strip_ = part.text("content", " ");
      strip_count_ = strip_.empty() ? 0 : static_cast<std::size_t>(part.number("start", 0));
    } else {
      part.unsupported(kDecoders);
    }
  }
}

std::string Decoder::piece(std::string_view spelling, TokenType type, bool first) const {
  const bool added = type == TokenType::control || type == TokenType::user_defined;
  if (byte_level_) {
    auto bytes = added ? std::nullopt : kByteAlphabet.to_bytes(spelling);
    return bytes ? *std::move(bytes) : std::string(spelling);
  }
  if (sentencepiece_ && type == TokenType::unknown) return std::string(kUnknown);
  if (const int byte = byte_of_piece(spelling);
      byte >= 0 && byte_fallback_ && (!sentencepiece_ || type == TokenType::byte))
    return std::string(1, static_cast<char>(byte));
  std::string out(spelling);
  const std::size_t most = kGrowth * spelling.size() + kRoom;
  for (const auto& rule : replace_) replace_some(out, rule, most);
  if (!meta_.empty()) replace_all(out, meta_, first && first_differs_ ? "" : " ");
  if (!suffix_.empty()) replace_all(out, suffix_, "");
  if (glue_ && !first) {
    if (!prefix_.empty() && out.starts_with(prefix_))
      out.erase(0, prefix_.size());
    else
      out.insert(out.begin(), ' ');
  }
  if (cleanup_) clean_up(out);
  return out;
}

void Decoder::append(DecodeState& state, std::string_view spelling, TokenType type, std::string_view piece,
                     std::string& out) const {
  const bool first = !std::exchange(state.begun, true);
  std::string own;
  if (first && (glue_ || first_differs_)) piece = own = this->piece(spelling, type, true);
  if (!suffix_.empty()) {
    if (std::exchange(state.space_due, spelling.ends_with(suffix_))) out += ' ';
  }
  // SentencePiece: the space that stands for the begin of the text is not said; with squeezing, none before the text.
  if (dummy_prefix_ && !state.spoken && !state.space_taken && piece.starts_with(' ') && type != TokenType::byte &&
      type != TokenType::unknown) {
    piece.remove_prefix(1);
    state.space_taken = !squeeze_;
  }
  while (state.stripped < strip_count_ && !state.spoken && !piece.empty()) {
    if (!piece.starts_with(strip_)) {
      state.spoken = true;
      break;
    }
    piece.remove_prefix(strip_.size());
    ++state.stripped;
  }
  if (!piece.empty()) state.spoken = true;
  out += piece;
}

}  // namespace openinfer::text
