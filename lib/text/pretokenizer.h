// SPDX-License-Identifier: Apache-2.0
// The first cut of a text: into words that byte pair encoding never joins, by the patterns that checkpoints name.
// PCRE2 runs the published patterns; unicode_tables.h makes its classes equal those of the `tokenizers` library.
#pragma once

#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

namespace openinfer::text {

struct PreTokenizerKind {
  std::string_view name;
  std::vector<std::string_view> aliases;   // as llama.cpp names other models with the same patterns
  std::vector<std::string_view> patterns;  // each splits what the one before left
  bool whole_words = false;  // a word that is a token is taken without merging (`ignore_merges` of tokenizers)
};
const std::vector<PreTokenizerKind>& pre_tokenizer_kinds();

class PreTokenizer {
 public:
  /// Errors: unsupported, listing the known names.
  explicit PreTokenizer(std::string_view name);
  ~PreTokenizer();
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;

  /// Calls `word` with consecutive parts that make up all of `text`. `text` must be valid UTF-8.
  template <class Word>
  void split(std::string_view text, Word&& word) const {
    split(
        text, [](void* to, std::string_view part) { (*static_cast<std::remove_reference_t<Word>*>(to))(part); }, &word);
  }
  bool whole_words() const { return kind_->whole_words; }

 private:
  struct Pattern;
  using Sink = void (*)(void*, std::string_view);
  struct Run;
  void split(std::string_view text, Sink sink, void* to) const;

  const PreTokenizerKind* kind_ = nullptr;
  std::vector<std::unique_ptr<const Pattern>> patterns_;
};

}  // namespace openinfer::text
