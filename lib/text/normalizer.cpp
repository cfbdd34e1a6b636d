// SPDX-License-Identifier: Apache-2.0
#include "lib/text/normalizer.h"

#include <algorithm>
#include <cctype>
#include <iterator>

#include "lib/base/fail.h"
#include "lib/text/component.h"
#include "lib/text/regex.h"
#include "lib/text/unicode.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

using Step = Normalizer::Step;

Step form(NormalForm form) {
  return {[form](std::string_view text, bool&, Call&) -> std::optional<std::string> {
    if (!may_change(text, form)) return {};
    return normal_form(text, form);
  }};
}

/// A step that looks at one character at a time: put(out, step) appends what stands for it.
template <class Put>
Step each(Put put) {
  return {[put](std::string_view text, bool& whole, Call&) -> std::optional<std::string> {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = utf8_step(text, at);
      put(out, step.code_point, text.substr(at, step.length));
      if (at == 0 && out.empty()) whole = false;
      at += step.length;
    }
    return out;
  }};
}

Step lower() {
  return each([](std::string& out, std::uint32_t c, std::string_view) { append_lower(out, c); });
}

Step without(bool (*drop)(std::uint32_t)) {
  return each([drop](std::string& out, std::uint32_t c, std::string_view text) {
    if (!drop(c)) out += text;
  });
}

Step strip(bool left, bool right) {
  const auto run = [=](std::string_view text, bool& whole, Call&) -> std::optional<std::string> {
    if (left && !text.empty() && is_space(utf8_step(text, 0).code_point)) whole = false;
    while (left && !text.empty() && is_space(utf8_step(text, 0).code_point))
      text.remove_prefix(utf8_step(text, 0).length);
    while (right && !text.empty()) {
      const std::size_t last = utf8_previous(text, text.size());
      if (!is_space(utf8_step(text, last).code_point)) break;
      text = text.substr(0, last);
    }
    return std::string(text);
  };
  return {run, true};
}

/// BERT's clean_text and handle_chinese_chars in one pass.
Step clean(bool control, bool cjk) {
  return each([=](std::string& out, std::uint32_t c, std::string_view text) {
    if (control && is_bert_removed(c)) return;
    if (control && is_space(c)) return out.push_back(' ');
    if (!cjk || !is_cjk(c)) return out.append(text), void();
    out.append(" ").append(text).append(" ");
  });
}

/// Source: nmt.rs of `tokenizers`, after SentencePiece's nmt rules.
Step nmt() {
  return each([](std::string& out, std::uint32_t c, std::string_view text) {
    const bool dropped =
        (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    const bool white = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                       c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    if (!dropped) out += white ? std::string_view(" ") : text;
  });
}

Step replace(const Component::Pattern& pattern, const std::string& content) {
  if (pattern.regex)
    return {[regex = std::make_shared<const Regex>(pattern.text, false), content](std::string_view text, bool&,
                                                                                  Call& call) {
      std::string out;
      Regex::Search search(*regex, call.steps);
      for (std::size_t at = 0; at < text.size();) {
        const auto [first, last] = search.next(text, at);
        out += text.substr(at, first - at);
        if (last > first) out += content;
        call.check_room(out.size());
        at = last;
      }
      return std::optional(std::move(out));
    }};
  if (pattern.text.empty()) return {[](std::string_view, bool&, Call&) { return std::optional<std::string>(); }};
  return {[from = pattern.text, content](std::string_view text, bool&, Call& call) {
    std::string out;
    for (std::size_t found; (found = text.find(from)) != text.npos; text.remove_prefix(found + from.size())) {
      out.append(text.substr(0, found)).append(content);
      call.check_room(out.size());
    }
    return std::optional(std::move(out.append(text)));
  }};
}

Step prepend(const std::string& content) {
  return {[content](std::string_view text, bool&, Call&) {
            return text.empty() ? std::optional<std::string>() : content + std::string(text);
          },
          true};
}

/// The charsmap as `tokenizers` applies it: to user-perceived characters of less than 6 bytes, else to each code point,
/// and the shortest rule takes the place of the whole.
Step precompiled(const TokenizerSpec& spec) {
  return {[map = std::make_shared<const CharsMap>(spec.charsmap)](std::string_view text, bool&,
                                                                  Call& call) -> std::optional<std::string> {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    const auto put = [&](std::string_view part) {
      const auto rule = map->shortest(part);
      if (rule) out += rule->replacement;
      return rule.has_value();
    };
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = grapheme_end(text, at);
      const std::string_view grapheme = text.substr(at, end - at);
      at = end;
      call.check_room(out.size());
      if (grapheme.size() < 6 && put(grapheme)) continue;
      for (std::size_t i = 0; i < grapheme.size();) {
        const auto part = grapheme.substr(i, utf8_step(grapheme, i).length);
        if (!put(part)) out += part;
        i += part.size();
      }
    }
    return out;
  }};
}

/// A step on each run of valid UTF-8, the bytes between them as they are.
std::string over_runs(const Step& step, std::string_view text, bool& whole, Call& call) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Run run = utf8_run(text, at);
    const std::string_view part = text.substr(at, run.end - at);
    bool inner = false;
    const auto changed = run.valid ? step.run(part, at == 0 ? whole : inner, call) : std::nullopt;
    out += changed ? std::string_view(*changed) : part;
    call.check_room(out.size());
    at = run.end;
  }
  return out;
}

void add_bert(std::vector<Step>& steps, bool control, bool cjk, bool accents, bool lowercase) {
  if (control || cjk) steps.push_back(clean(control, cjk));
  if (accents) steps.push_back(form(NormalForm::nfd)), steps.push_back(without(is_bert_accent));
  if (lowercase) steps.push_back(lower());
}

constexpr std::string_view kNormalizers =
    "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, Sequence, Strip, "
    "StripAccents";

void add_json(std::vector<Step>& steps, const TokenizerSpec& spec) {
  for (const Component& part : Component("normalizer", spec.normalizer).parts("normalizers")) {
    if (part.is("NFC")) {
      steps.push_back(form(NormalForm::nfc));
    } else if (part.is("NFD")) {
      steps.push_back(form(NormalForm::nfd));
    } else if (part.is("NFKC")) {
      steps.push_back(form(NormalForm::nfkc));
    } else if (part.is("NFKD")) {
      steps.push_back(form(NormalForm::nfkd));
    } else if (part.is("Lowercase")) {
      steps.push_back(lower());
    } else if (part.is("StripAccents")) {
      steps.push_back(without(is_accent));
    } else if (part.is("Strip")) {
      steps.push_back(strip(part.flag("strip_left", true), part.flag("strip_right", true)));
    } else if (part.is("Nmt")) {
      steps.push_back(nmt());
    } else if (part.is("Prepend")) {
      steps.push_back(prepend(part.text("prepend")));
    } else if (part.is("Replace")) {
      steps.push_back(replace(part.pattern(), part.text("content")));
    } else if (part.is("Precompiled")) {
      steps.push_back(precompiled(spec));
    } else if (part.is("BertNormalizer")) {
      const bool lowercase = part.flag("lowercase", true);
      add_bert(steps, part.flag("clean_text", true), part.flag("handle_chinese_chars", true),
               part.flag("strip_accents", lowercase), lowercase);
    } else {
      part.unsupported(kNormalizers);
    }
  }
}

}  // namespace

bool Normalizer::is_sentencepiece(const TokenizerSpec& spec) {
  return spec.normalizer == "sentencepiece" || (spec.normalizer.empty() && spec.model == "spm");
}

Normalizer::Normalizer(const TokenizerSpec& spec, std::shared_ptr<const PieceTrie> user_defined) {
  if (is_sentencepiece(spec)) {
    steps_.push_back({[native = std::make_shared<const SentencePieceNormalizer>(spec, std::move(user_defined))](
                          std::string_view text, bool&, Call& call) { return std::optional((*native)(text, call)); },
                      true});
    return;
  }
  needs_utf8_ = true;
  if (spec.normalizer.starts_with('{')) {
    add_json(steps_, spec);
    return;
  }
  std::string name;
  std::ranges::transform(spec.normalizer, std::back_inserter(name),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name == "nfc") {
    steps_.push_back(form(NormalForm::nfc));
  } else if (name == "nfd") {
    steps_.push_back(form(NormalForm::nfd));
  } else if (name == "nfkc") {
    steps_.push_back(form(NormalForm::nfkc));
  } else if (name == "nfkd") {
    steps_.push_back(form(NormalForm::nfkd));
  } else if (name == "lowercase") {
    steps_.push_back(lower());
  } else if (name == "bert") {
    add_bert(steps_, true, true, true, true);
  } else if (!name.empty() && name != "none") {
    fail(
        ErrorCode::unsupported,
        "[tokenizer] unknown normalizer \"{}\"; known: none, nfc, nfd, nfkc, nfkd, lowercase, bert, sentencepiece, and "
        "the JSON of a tokenizer.json",
        spec.normalizer);
  }
}

std::optional<std::string> Normalizer::operator()(std::string_view text, bool& whole, Call& call) const {
  std::optional<std::string> out;
  const bool valid = steps_.empty() || !needs_utf8_ || is_utf8(text);
  for (const Step& step : steps_) {
    const std::string_view now = out ? std::string_view(*out) : text;
    auto changed = valid || step.any_bytes ? step.run(now, whole, call) : over_runs(step, now, whole, call);
    if (!changed) continue;
    call.check_room(changed->size());
    out = std::move(changed);
  }
  return out;
}

}  // namespace openinfer::text
