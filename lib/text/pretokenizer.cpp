// SPDX-License-Identifier: Apache-2.0
#include "lib/text/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "lib/base/fail.h"
#include "lib/text/unicode_tables.h"

namespace openinfer::text {

namespace {

// As the checkpoints' tokenizer.json files have them, with \p{L}, \p{N} and \s in brackets so that `expand` can widen
// them. GPT-2's is the default of tokenizers' ByteLevel.
constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|[\s]+(?![^\s])|[\s]+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}]+|[\p{N}]{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|[\s]*[\r\n]+|[\s]+(?![^\s])|[\s]+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}]+|[\p{N}]| ?[^\s\p{L}\p{N}]+[\r\n]*|[\s]*[\r\n]+|[\s]+(?![^\s])|[\s]+)";
/// tokenizers' Digits(individual_digits): Rust's char::is_numeric, one Unicode version newer than its regex engine.
constexpr std::string_view kDigit = R"([\p{Nd*}])";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) text.replace(at, from.size(), to);
}

std::string ranges(std::span<const CodePointRange> table) {
  std::string out;
  for (const auto [first, last] : table) out += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", first, last);
  return out;
}

/// The classes of the oracle: PCRE2 10.42 knows Unicode 14, and its \s takes U+180E, which is no space since
/// Unicode 6.3.
std::string expand(std::string_view published) {
  std::string pattern(published);
  const std::string numbers = "\\p{N}" + ranges(kNumbersSinceUnicode14);
  replace_all(pattern, "\\p{Nd*}", "\\p{N}" + ranges(kDigitsSinceUnicode14));
  replace_all(pattern, "\\p{N}", "0-9" + numbers);
  replace_all(pattern, "\\p{L}", "A-Za-z\\p{L}" + ranges(kLettersSinceUnicode14));
  replace_all(pattern, "\\s",
              "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}");
  return pattern;
}

std::string known_names() {
  std::string out;
  for (const auto& kind : pre_tokenizer_kinds()) {
    out += out.empty() ? "" : ", ";
    out += kind.name;
    for (const auto alias : kind.aliases) out += fmt::format(" (= {})", alias);
  }
  return out;
}

}  // namespace

const std::vector<PreTokenizerKind>& pre_tokenizer_kinds() {
  static const std::vector<PreTokenizerKind> kinds = {
      {"gpt2", {"gpt-2"}, {kGpt2}, false},
      {"smollm", {"starcoder", "refact", "command-r"}, {kDigit, kGpt2}, false},
      {"llama-bpe", {"llama3", "llama-v3"}, {kLlama3}, true},
      {"qwen2", {"deepseek-r1-qwen"}, {kQwen2}, false},
  };
  return kinds;
}

/// A compiled pattern. PCRE2 promises that it may be used from several threads.
struct PreTokenizer::Pattern {
  explicit Pattern(std::string_view published) {
    const std::string text = expand(published);
    int error = 0;
    PCRE2_SIZE at = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &error, &at, nullptr);
    if (!code) fail(ErrorCode::internal, "[tokenizer] PCRE2 refuses a pattern at byte {}: error {}", at, error);
    // Without a JIT (a build of PCRE2 or a kernel that forbids it) pcre2_match interprets: same words, slower.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    context = pcre2_match_context_create(nullptr);
    // A long run of white space backtracks once over its length: bounded by the text, not by a fixed number.
    pcre2_set_match_limit(context, UINT32_MAX);
    pcre2_set_heap_limit(context, UINT32_MAX);
  }
  ~Pattern() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
};

PreTokenizer::PreTokenizer(std::string_view name) {
  for (const auto& kind : pre_tokenizer_kinds())
    if (kind.name == name || std::ranges::count(kind.aliases, name)) kind_ = &kind;
  if (!kind_) fail(ErrorCode::unsupported, "[tokenizer] unknown pre-tokenizer \"{}\"; known: {}", name, known_names());
  for (const auto pattern : kind_->patterns) patterns_.push_back(std::make_unique<Pattern>(pattern));
}

PreTokenizer::~PreTokenizer() = default;

/// One call of split: where the words go, and each stage's room for a match.
struct PreTokenizer::Run {
  const std::vector<std::unique_ptr<const Pattern>>& patterns;
  Sink sink;
  void* to;
  std::vector<std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>> matches;

  void split(std::size_t stage, std::string_view text) {
    if (stage == patterns.size()) return sink(to, text);
    for (std::size_t at = 0; at < text.size();) {
      const auto [first, last] = next(stage, text, at);
      if (first > at) split(stage + 1, text.substr(at, first - at));
      if (last > first) split(stage + 1, text.substr(first, last - first));
      at = last;
    }
  }

  std::pair<std::size_t, std::size_t> next(std::size_t stage, std::string_view text, std::size_t at) {
    const Pattern& pattern = *patterns[stage];
    const int found = pcre2_match(pattern.code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                  PCRE2_NO_UTF_CHECK, matches[stage].get(), pattern.context);
    if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
    if (found < 0) fail(ErrorCode::internal, "[tokenizer] PCRE2 fails with error {} at byte {}", found, at);
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(matches[stage].get());
    OPENINFER_ASSERT(bounds[1] > bounds[0]);
    return {bounds[0], bounds[1]};
  }
};

void PreTokenizer::split(std::string_view text, Sink sink, void* to) const {
  Run run{patterns_, sink, to, {}};
  for (std::size_t i = 0; i < patterns_.size(); ++i)
    run.matches.emplace_back(pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  run.split(0, text);
}

}  // namespace openinfer::text
