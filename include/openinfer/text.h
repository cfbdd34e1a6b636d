// SPDX-License-Identifier: Apache-2.0
// Text in and out of a model: tokenizer, streaming decoder, chat template, sampler. A program goes
// messages -> ChatTemplate -> Tokenizer -> model -> Sampler -> StreamDecoder -> terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "openinfer/error.h"

namespace openinfer {

using TokenId = std::int32_t;

/// Kinds of tokens; the numbers are GGUF's `tokenizer.ggml.token_type`.
enum class TokenType : std::int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// How an added token (control or user_defined) takes the text around it; the meaning is that of `tokenizers`.
struct AddedToken {
  TokenId id = 0;
  bool lstrip = false;       // swallows white space before it
  bool rstrip = false;       // swallows white space behind it
  bool single_word = false;  // only where no word character touches it
  bool normalized = false;   // looked for in the normalised text
};

/// One place of what is put around texts: a token, or a text itself.
struct TemplateItem {
  static constexpr TokenId kFirst = -1, kSecond = -2;  // the first text, the second
  TokenId id = kFirst;
  std::int32_t type = 0;  // BERT's token type
  bool operator==(const TemplateItem&) const = default;
};

/// A tokenizer as plain data: what a package, a GGUF file or a tokenizer.json say. Checked by Tokenizer.
struct TokenizerSpec {
  /// bpe (bytes or characters, by the pre-tokenizer), spm (SentencePiece's BPE), unigram, wordpiece, wordlevel.
  std::string model = "bpe";
  std::string pre;                        // pre-tokenizer: a name (gpt2, llama-bpe, …, bert, none), or "custom":
  std::string pre_json;                   // as in tokenizer.json
  std::vector<std::string> tokens;        // by id; of byte-level models in GPT-2's byte alphabet
  std::vector<std::int32_t> token_types;  // TokenType of each; empty: all normal
  std::vector<double> scores;             // of spm and unigram
  std::vector<std::string> merges;        // of bpe: "left right", best first
  std::optional<TokenId> bos, eos, unk, pad, sep, cls;
  std::vector<TokenId> eos_ids;  // further tokens that end a generation
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = false;  // text that does not start with a space gets one; SentencePiece: add_dummy_prefix
  std::string normalizer;         // a name (nfc, …, bert, sentencepiece) or tokenizer.json's JSON; empty: none
  std::string chat_template;      // Jinja; empty if there is none
  std::vector<AddedToken> added;  // control and user_defined tokens with a flag set; absent ones have none
  std::string decoder;            // tokenizer.json's JSON; empty: by the model
  bool byte_fallback = false;     // characters that no token spells become tokens <0x00> … <0xFF>
  bool fuse_unk = false;          // bpe: several unknown characters are one unk
  std::optional<bool>
      ignore_merges;              // bpe: a word that is a token is taken whole; unset: as the pre-tokenizer's name says
  std::string continuing_prefix;  // of pieces within a word (wordpiece: "##")
  std::string word_suffix;        // of pieces that end a word ("</w>")
  std::int32_t max_word_chars = 100;      // wordpiece: longer words are unk
  std::vector<std::uint8_t> charsmap;     // SentencePiece's precompiled normalisation rules
  bool remove_extra_whitespaces = false;  // SentencePiece's settings
  bool escape_whitespaces = true;
  bool whitespace_suffix = false;
  std::vector<TemplateItem> single, pair;  // around one text, around two; empty: by add_bos and add_eos
};

class Model;
/// What the package says of its tokenizer. Errors: not_found if it has none; dtype_mismatch for a key of another type.
TokenizerSpec tokenizer_spec(const Model& model);

struct EncodeOptions {
  bool add_special = true;    // what the spec's add_bos and add_eos ask for
  bool parse_special = true;  // text that spells a control token becomes that token; turn off for untrusted text
  /// A byte that the vocabulary cannot spell (see Tokenizer::missing_bytes). `drop` is what `tokenizers` and
  /// llama.cpp do with such vocabularies; `refuse` throws invalid_argument.
  enum class MissingByte { drop, unk, refuse } missing_byte = MissingByte::drop;
  /// At most so many tokens, those around the texts included; 0: no limit. Texts lose their ends.
  std::size_t max_tokens = 0;
  /// Which of two texts is cut: the longer first, as `tokenizers` does, or only one.
  enum class Truncate { longest_first, first, second } truncate = Truncate::longest_first;
};

/// One or two texts as a model takes them.
struct Encoding {
  std::vector<TokenId> ids;
  std::vector<std::int32_t> types;  // BERT's token types: 0 for the first text, 1 for the second
};

/// What a decoder remembers between tokens.
struct DecodeState {
  bool begun = false;        // a token came
  bool spoken = false;       // it said something
  bool space_taken = false;  // the space that stands for the begin of a text
  bool space_due = false;    // a word ended, and no other has begun
  std::size_t stripped = 0;
};

/// Text <-> token ids, id for id what the library gives that the vocabulary is from: `tokenizers` or SentencePiece.
/// Bytes that are not UTF-8 are tokens of the byte alphabet and come back unchanged; other models get U+FFFD for each.
/// A cheap handle: copies share one immutable table and may be used from any thread.
class Tokenizer {
 public:
  /// Errors: unsupported (unknown model, pre-tokenizer, normalizer or decoder; the known ones are listed);
  /// invalid_argument (empty vocabulary, duplicate token, merge of unknown pieces, id out of range, lengths differ,
  /// a score that is no number, malformed JSON or charsmap).
  explicit Tokenizer(TokenizerSpec spec);

  std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const;
  /// The same with token types, or two texts as the model compares them ([CLS] first [SEP] second [SEP]).
  /// Errors: invalid_argument if max_tokens leaves no room for the tokens around the texts, or `truncate` names a text
  /// that is shorter than what must go.
  Encoding encode_texts(std::string_view first, std::optional<std::string_view> second = {},
                        EncodeOptions options = {}) const;

  /// The text of those tokens; byte sequences that are not UTF-8 become U+FFFD, one for each maximal part of a
  /// character (Unicode 3.9, as Rust's from_utf8_lossy), with byte-fallback tokens one for each byte.
  /// Errors: invalid_argument with the id and the vocabulary size.
  std::string decode(std::span<const TokenId> ids, bool skip_special = false) const;
  /// The same without the replacement: any bytes.
  std::string decode_bytes(std::span<const TokenId> ids, bool skip_special = false) const;
  /// The bytes that one token stands for behind others.
  std::string_view piece(TokenId id) const;

  std::size_t vocab_size() const;
  /// The id of a token as the vocabulary spells it ("<|im_end|>", "Ġthe").
  std::optional<TokenId> find(std::string_view token) const;
  bool is_control(TokenId id) const;
  /// Does this token end a generation (eos or one of eos_ids)?
  bool is_end(TokenId id) const;
  /// Bytes that no token of the vocabulary spells, ascending.
  const std::string& missing_bytes() const;
  /// Everything but the token strings and merges, which the tokenizer has taken over.
  const TokenizerSpec& spec() const;

  struct Table;  // lib/text

 private:
  friend class StreamDecoder;
  std::shared_ptr<const Table> table_;
};

/// Text from ids that arrive one by one: push() returns only whole UTF-8 characters, finish() what is left.
/// All parts together equal Tokenizer::decode of all ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool skip_special = true)
      : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}
  std::string push(TokenId id);
  std::string finish();

 private:
  Tokenizer tokenizer_;
  bool skip_special_;
  DecodeState state_;
  std::string pending_;  // at most three bytes: the start of a character
};

struct ChatMessage {
  std::string role = {};  // "system", "user", "assistant", "tool"
  std::string content = {};
  std::string extra_json = {};  // empty, or an object whose members join the message: {"tool_calls": [...]}
};

struct ChatOptions {
  bool add_generation_prompt = true;
  std::string bos_token = {};
  std::string eos_token = {};
  std::string tools_json = {};  // empty, or an array of tool descriptions
  std::string extra_json = {};  // empty, or an object with further variables: {"enable_thinking": false}
  /// What strftime_now prints, in UTC; unset: the present, in local time.
  std::optional<std::chrono::system_clock::time_point> now = {};
};

/// Bounds of one rendering: templates come with checkpoints and are not trusted.
struct ChatLimits {
  std::size_t output_bytes = std::size_t{64} << 20;
  std::size_t work = std::size_t{1} << 28;  // evaluated nodes plus bytes produced on the way
};

/// A chat template in the subset of Jinja that published templates use, rendered as `transformers` does: trim_blocks,
/// lstrip_blocks, loop controls, raise_exception, strftime_now. Immutable; may be used from any thread.
class ChatTemplate {
 public:
  /// Errors: unsupported or invalid_argument with line:column of the construct.
  explicit ChatTemplate(std::string_view source, ChatLimits limits = {});

  /// Errors: invalid_argument (raise_exception's message, a wrong type, malformed JSON; with line:column),
  /// out_of_memory (a limit).
  std::string apply(std::span<const ChatMessage> messages, const ChatOptions& options = {}) const;
  /// The same with every variable given as one JSON object: {"messages": [...], "add_generation_prompt": true, …}.
  std::string render(std::string_view variables_json,
                     std::optional<std::chrono::system_clock::time_point> now = {}) const;

  struct Program;  // lib/text/jinja

 private:
  std::shared_ptr<const Program> program_;
};

struct SamplerOptions {
  float temperature = 0.0f;  // 0: greedy; the filters then change nothing
  std::int32_t top_k = 0;    // keep the k largest; 0: all
  float top_p = 1.0f;        // keep the fewest whose probabilities sum to at least p; 1: all
  float min_p = 0.0f;        // keep those with at least min_p times the largest probability; 0: all
  std::uint64_t seed = 0;
};

/// Draws the next token. Order: temperature, top-k, top-p, min-p, each on what the one before left, which is the order
/// of `transformers` (llama.cpp filters first and divides by the temperature last). Equal logits: lower id first.
/// Reproducible: PCG32 and the order of summation are written out in lib/text/sampler.cpp; the only function of
/// the platform's library is exp, so two platforms could differ only where a draw falls within its last ulp.
class Sampler {
 public:
  /// Errors: invalid_argument for an option out of its range.
  explicit Sampler(SamplerOptions options = {});
  /// Errors: invalid_argument for no logits, a NaN or +inf (with its index), or all -inf.
  TokenId next(std::span<const float> logits);

  struct Candidate {
    TokenId id;
    double probability;
  };
  /// What next() would draw from: most probable first; probabilities sum to 1.
  std::vector<Candidate> distribution(std::span<const float> logits) const;

  /// Where its generator stands: another sampler of the same options that is set there draws what this one would.
  std::uint64_t position() const { return state_; }
  void resume(std::uint64_t position) { state_ = position; }

 private:
  SamplerOptions options_;
  std::uint64_t state_ = 0;
};

}  // namespace openinfer
