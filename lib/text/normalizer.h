// SPDX-License-Identifier: Apache-2.0
// What happens to a text before it is cut into words: the steps that a tokenizer.json names, or SentencePiece's own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/text/call.h"
#include "lib/text/charsmap.h"
#include "lib/text/piece_trie.h"
#include "openinfer/text.h"

namespace openinfer::text {

/// SentencePiece's normaliser: rules of the charsmap (longest first), user-defined pieces as they are, white space
/// squeezed, escaped as U+2581, one before (or behind) the whole. Bytes that are not UTF-8 become U+FFFD.
/// Source: Kudo & Richardson 2018, arXiv:1808.06226, and the published normalizer.cc.
class SentencePieceNormalizer {
 public:
  SentencePieceNormalizer(const TokenizerSpec& spec, std::shared_ptr<const PieceTrie> user_defined);
  std::string operator()(std::string_view text, const Call& call) const;

 private:
  struct Prefix {
    std::string_view text;     // what the normalised text gets
    std::size_t consumed = 0;  // bytes of the original
  };
  Prefix prefix(std::string_view text) const;
  std::string_view without_leading_spaces(std::string_view text) const;
  void append_spaced(std::string& out, std::string_view text) const;

  CharsMap map_;
  std::shared_ptr<const PieceTrie> user_defined_;
  bool squeeze_, escape_, prefix_space_, suffix_space_;
};

class Normalizer {
 public:
  /// The text after a step, or nothing where the step leaves it alone. Takes `whole` away if the text's first character
  /// is dropped: Metaspace's "first" then sees no beginning.
  struct Step {
    std::function<std::optional<std::string>(std::string_view, bool& whole, Call&)> run;
    bool any_bytes = false;  // else it gets valid UTF-8 only, and makes nothing else of it
  };

  /// From spec.normalizer: a name (any case), or the JSON that tokenizer.json has. Errors: unsupported, listing the
  /// known ones; invalid_argument for malformed JSON or charsmaps.
  Normalizer(const TokenizerSpec& spec, std::shared_ptr<const PieceTrie> user_defined);

  bool empty() const { return steps_.empty(); }
  /// Is this SentencePiece's own, which also decides about user-defined pieces and scores?
  static bool is_sentencepiece(const TokenizerSpec& spec);
  /// All steps; bytes that are not UTF-8 stay as they are between the valid runs. Errors: unsupported where patterns
  /// take too long or replacements grow beyond the call's bounds.
  std::optional<std::string> operator()(std::string_view text, bool& whole, Call& call) const;

 private:
  std::vector<Step> steps_;
  bool needs_utf8_ = false;  // does any step?
};

}  // namespace openinfer::text
