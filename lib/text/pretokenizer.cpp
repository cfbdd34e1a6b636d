// SPDX-License-Identifier: Apache-2.0
#include "lib/text/pretokenizer.h"

#include <algorithm>
#include <utility>

#include "lib/base/fail.h"
#include "lib/text/component.h"
#include "lib/text/pre_tokenizer_kinds.h"
#include "lib/text/unicode.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

using Behavior = PreTokenizer::Behavior;
using Range = std::pair<std::size_t, std::size_t>;

Behavior behavior_of(const Component& part, std::string_view fallback) {
  const std::string name = part.text("behavior", fallback);
  if (name == "Removed") return Behavior::removed;
  if (name == "Isolated") return Behavior::isolated;
  if (name == "MergedWithPrevious") return Behavior::merged_with_previous;
  if (name == "MergedWithNext") return Behavior::merged_with_next;
  if (name == "Contiguous") return Behavior::contiguous;
  fail(ErrorCode::unsupported,
       "[tokenizer] unknown behavior \"{}\"; known: Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous",
       name);
}

std::string known_names() {
  std::string out = "none, bert, whitespace, custom";
  for (const auto& kind : pre_tokenizer_kinds()) {
    out += fmt::format(", {}", kind.name);
    for (const auto alias : kind.aliases) out += fmt::format(" (= {})", alias);
  }
  return out;
}

constexpr std::string_view kDigits = "[\\p{Nd*}]";  // no pattern: single characters that are numeric

/// Is this one of our own, which takes linear time? tiny_aya's looks over a run's rest from each place in it.
bool is_published(std::string_view pattern) {
  if (pattern == kDigits || pattern.find("(?=(") != pattern.npos) return false;
  const auto kinds = pre_tokenizer_kinds();
  return std::ranges::any_of(kinds, [&](const auto& kind) { return std::ranges::count(kind.patterns, pattern) > 0; });
}

constexpr std::string_view kPreTokenizers =
    "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace, "
    "WhitespaceSplit";

/// Cuts `text` at the matches that next(at) finds one by one, each at or behind `at`, and emits what `behavior` says.
template <class Next, class Emit>
void cut(std::size_t size, Behavior behavior, bool invert, Next&& next, Emit&& emit) {
  Range held{0, 0};         // not emitted yet: what follows may join it
  bool held_match = false;  // is the last part in it a separator?
  const auto flush = [&] {
    if (held.second > held.first) emit(held.first, held.second);
    held = {0, 0};
  };
  const auto part = [&](std::size_t first, std::size_t last, bool match) {
    if (first == last) return;
    if (behavior == Behavior::removed) return match ? void() : emit(first, last);
    if (behavior == Behavior::isolated) return emit(first, last);
    const bool some = held.second > held.first;
    bool joins = false;
    if (behavior == Behavior::contiguous) joins = match == held_match;
    if (behavior == Behavior::merged_with_previous) joins = match && !held_match;
    if (behavior == Behavior::merged_with_next) joins = held_match && !match;
    if (some && !joins) flush();
    held = {some && joins ? held.first : first, last};
    held_match = match;
  };
  for (std::size_t at = 0; at < size;) {
    const auto [first, last] = next(at);
    part(at, first, invert);
    part(first, last, !invert);
    at = last;
  }
  flush();
}

}  // namespace

void PreTokenizer::add_split(std::string_view pattern, bool trusted) {
  stages_.push_back(Split{std::make_shared<const Regex>(pattern, trusted), {}, Behavior::isolated, false});
}

void PreTokenizer::add_named(std::string_view name) {
  if (name == "none") return;
  if (name == "whitespace") return stages_.push_back(Characters{is_space, Behavior::removed});
  if (name == "bert") {
    stages_.push_back(Characters{is_space, Behavior::removed});
    return stages_.push_back(Characters{is_punctuation, Behavior::isolated});
  }
  for (const auto& kind : pre_tokenizer_kinds()) {
    if (kind.name != name && !std::ranges::count(kind.aliases, name)) continue;
    for (const auto pattern : kind.patterns)
      if (pattern == kDigits)
        stages_.push_back(Characters{is_numeric, Behavior::isolated});
      else
        add_split(pattern, true);
    whole_words_ = kind.whole_words;
    byte_level_ = true;
    return;
  }
  fail(ErrorCode::unsupported, "[tokenizer] unknown pre-tokenizer \"{}\"; known: {}", name, known_names());
}

void PreTokenizer::add_json(const std::string& json) {
  if (json.empty() || json == "null") return;
  for (const Component& part : Component("pre-tokenizer", json).parts("pretokenizers")) {
    if (part.is("ByteLevel")) {
      if (part.flag("add_prefix_space", true)) stages_.emplace_back().emplace<SpacePrefix>();
      if (part.flag("use_regex", true)) add_split(pre_tokenizer_kinds().front().patterns[0], true);
      byte_level_ = true;
    } else if (part.is("Split")) {
      const auto pattern = part.pattern();
      if (!pattern.regex && pattern.text.empty()) continue;
      auto regex = pattern.regex ? std::make_shared<const Regex>(pattern.text, is_published(pattern.text)) : nullptr;
      stages_.push_back(
          Split{std::move(regex), pattern.text, behavior_of(part, "Isolated"), part.flag("invert", false)});
    } else if (part.is("CharDelimiterSplit")) {
      if (const std::string delimiter = part.text("delimiter", " "); !delimiter.empty())
        stages_.push_back(Split{nullptr, delimiter, Behavior::removed, false});
    } else if (part.is("Digits")) {
      const bool single = part.flag("individual_digits", false);
      stages_.push_back(Characters{is_numeric, single ? Behavior::isolated : Behavior::contiguous});
    } else if (part.is("Punctuation")) {
      stages_.push_back(Characters{is_punctuation, behavior_of(part, "Isolated")});
    } else if (part.is("WhitespaceSplit")) {
      add_named("whitespace");
    } else if (part.is("BertPreTokenizer")) {
      add_named("bert");
    } else if (part.is("Whitespace")) {
      auto regex = std::make_shared<const Regex>(R"(\p{RustWord}+|[^\p{RustWord}\s]+)", true);
      stages_.push_back(Split{std::move(regex), {}, Behavior::removed, true});
    } else if (part.is("Metaspace")) {
      const std::string scheme = part.text("prepend_scheme", part.flag("add_prefix_space", true) ? "always" : "never");
      using Prepend = Metaspace::Prepend;
      const auto prepend = scheme == "first" ? Prepend::first : scheme == "never" ? Prepend::never : Prepend::always;
      stages_.push_back(Metaspace{part.text("replacement", "\u2581"), prepend, part.flag("split", true)});
    } else {
      part.unsupported(kPreTokenizers);
    }
  }
}

PreTokenizer::PreTokenizer(const TokenizerSpec& spec) {
  if (spec.pre == "custom") {
    if (spec.pre_json.empty())
      fail(ErrorCode::unsupported, "[tokenizer] the pre-tokenizer is \"custom\", but its pre_json is empty");
    add_json(spec.pre_json);
  } else if (!spec.pre.empty() || spec.model == "bpe") {
    add_named(spec.pre);
  } else if (spec.model == "wordpiece") {
    add_named("bert");
  }
  if (spec.ignore_merges) whole_words_ = *spec.ignore_merges;
}

/// One call of split: where the words go, and each stage's room for a match.
struct PreTokenizer::Run {
  const std::vector<Stage>& stages;
  Call& call;
  Sink sink;
  std::vector<std::unique_ptr<Regex::Search>> searches;

  void run(std::size_t stage, std::string_view text, bool first) {
    if (text.empty()) return;
    if (stage == stages.size()) return sink.call(sink.to, text);
    std::visit([&](const auto& kind) { apply(kind, stage, text, first); }, stages[stage]);
  }

  auto emit(std::size_t stage, std::string_view text, bool first) {
    return [=, this](std::size_t begin, std::size_t end) {
      run(stage + 1, text.substr(begin, end - begin), first && begin == 0);
    };
  }

  void apply(const Split& split, std::size_t stage, std::string_view text, bool first) {
    const auto next = [&](std::size_t at) -> Range {
      if (split.regex) return searches[stage]->next(text, at);
      const std::size_t found = std::min(text.find(split.literal, at), text.size());
      return {found, std::min(found + split.literal.size(), text.size())};
    };
    cut(text.size(), split.behavior, split.invert, next, emit(stage, text, first));
  }

  void apply(const Characters& characters, std::size_t stage, std::string_view text, bool first) {
    const auto next = [&](std::size_t at) -> Range {
      while (at < text.size()) {
        const Utf8Step step = utf8_step(text, at);
        if (characters.chosen(step.code_point)) return {at, at + step.length};
        at += step.length;
      }
      return {at, at};
    };
    cut(text.size(), characters.behavior, false, next, emit(stage, text, first));
  }

  void apply(const Metaspace& meta, std::size_t stage, std::string_view text, bool first) {
    std::string out;
    out.reserve(text.size() + text.size() / 2);
    for (const char c : text)
      if (c == ' ')
        call.check_room((out += meta.replacement).size());
      else
        out += c;
    const bool prepend =
        meta.prepend == Metaspace::Prepend::always || (meta.prepend == Metaspace::Prepend::first && first);
    if (prepend && !out.starts_with(meta.replacement)) out.insert(0, meta.replacement);
    const std::string_view changed = call.keep(std::move(out));
    if (!meta.split || meta.replacement.empty()) return run(stage + 1, changed, first);
    for (std::size_t at = 0; at < changed.size();) {
      const std::size_t end = std::min(changed.find(meta.replacement, at + 1), changed.size());
      run(stage + 1, changed.substr(at, end - at), first && at == 0);
      at = end;
    }
  }

  void apply(const SpacePrefix&, std::size_t stage, std::string_view text, bool first) {
    if (!text.starts_with(' ')) text = call.keep(" " + std::string(text));
    run(stage + 1, text, first);
  }
};

void PreTokenizer::split(std::string_view text, bool first, Call& call, Sink sink) const {
  Run run{stages_, call, sink, {}};
  for (const Stage& stage : stages_) {
    const auto* split = std::get_if<Split>(&stage);
    run.searches.push_back(split && split->regex ? std::make_unique<Regex::Search>(*split->regex, call.steps)
                                                 : nullptr);
  }
  run.run(0, text, first);
}

}  // namespace openinfer::text
