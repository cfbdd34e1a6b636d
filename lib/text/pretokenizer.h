// SPDX-License-Identifier: Apache-2.0
// The cut of a text into words that the model never joins: by the patterns that checkpoints name, or by the stages of a
// tokenizer.json. Stages work one behind the other, each on what the one before left.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "lib/text/call.h"
#include "lib/text/regex.h"
#include "openinfer/text.h"

namespace openinfer::text {

class PreTokenizer {
 public:
  /// spec.pre: a name, or "custom" with the JSON in spec.pre_json. Errors: unsupported, listing the known names or
  /// types; invalid_argument for malformed JSON.
  explicit PreTokenizer(const TokenizerSpec& spec);

  /// Calls `word` with consecutive words of valid UTF-8 `text`. `first`: nothing of the original text came before.
  /// Words lie in `text` or, where a stage changes it, in what the call keeps.
  template <class Word>
  void split(std::string_view text, bool first, Call& call, Word&& word) const {
    const Sink sink{[](void* to, std::string_view part) { (*static_cast<std::remove_reference_t<Word>*>(to))(part); },
                    &word};
    split(text, first, call, sink);
  }
  /// A word that is a token is taken without merging.
  bool whole_words() const { return whole_words_; }
  /// Words are bytes, and the vocabulary spells them in GPT-2's alphabet.
  bool byte_level() const { return byte_level_; }

  /// What becomes of the separators that a stage finds; the names are those of `tokenizers`.
  enum class Behavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

 private:
  struct Split {
    std::shared_ptr<const Regex> regex;  // null: `literal`
    std::string literal;
    Behavior behavior = Behavior::isolated;
    bool invert = false;
  };
  struct Characters {
    bool (*chosen)(std::uint32_t) = nullptr;
    Behavior behavior = Behavior::isolated;
  };
  struct Metaspace {
    std::string replacement;
    enum class Prepend { always, first, never } prepend = Prepend::always;
    bool split = true;
  };
  struct SpacePrefix {};
  using Stage = std::variant<Split, Characters, Metaspace, SpacePrefix>;

  struct Sink {
    void (*call)(void*, std::string_view);
    void* to;
  };
  struct Run;
  void split(std::string_view text, bool first, Call& call, Sink sink) const;
  void add_named(std::string_view name);
  void add_json(const std::string& json);
  void add_split(std::string_view pattern, bool trusted);

  std::vector<Stage> stages_;
  bool whole_words_ = false, byte_level_ = false;
};

}  // namespace openinfer::text
