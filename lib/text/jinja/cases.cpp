// SPDX-License-Identifier: Apache-2.0
// Upper, lower and title case as Python's str has them: Unicode's full mappings and the final sigma.
#include <utf8proc.h>

#include <algorithm>

#include "lib/text/jinja/interpreter.h"
#include "lib/text/jinja/python_unicode.h"
#include "lib/text/utf8.h"

namespace openinfer::jinja {

namespace {

enum class Case { lower, title, upper };

template <std::size_t N>
bool is_in(const CharacterRange (&table)[N], std::uint32_t c) {
  const auto next = std::ranges::upper_bound(table, c, {}, &CharacterRange::first);
  return next != std::begin(table) && c <= std::prev(next)->last;
}

utf8proc_category_t category(std::uint32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool is_lower_letter(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_LL || is_in(kOtherLower, c); }
bool is_upper_letter(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_LU || is_in(kOtherUpper, c); }
bool is_cased(std::uint32_t c) {
  if (c < 0x80) return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
  return is_lower_letter(c) || is_upper_letter(c) || category(c) == UTF8PROC_CATEGORY_LT;
}

/// What stands between a letter and its sigma without parting them.
bool is_case_ignorable(std::uint32_t c) {
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_ME || kind == UTF8PROC_CATEGORY_CF ||
         kind == UTF8PROC_CATEGORY_LM || kind == UTF8PROC_CATEGORY_SK || is_in(kOtherIgnorable, c);
}

bool cased_follows(std::string_view text, std::size_t at) {
  for (; at < text.size();) {
    const auto step = text::utf8_step(text, at);
    if (!step.valid || !is_case_ignorable(step.code_point)) return step.valid && is_cased(step.code_point);
    at += step.length;
  }
  return false;
}

void append_case(std::string& out, std::uint32_t c, Case to) {
  if (c < 0x80) {
    const bool changes = is_cased(c) && (to == Case::lower) == (c < 'a');
    return out.push_back(static_cast<char>(changes ? c ^ 0x20 : c));
  }
  if (to == Case::lower && c == 0x130) return out.append("i\u0307"), void();
  const auto row = std::ranges::lower_bound(kSpecialCases, c, {}, &SpecialCase::from);
  if (to != Case::lower && row != std::end(kSpecialCases) && row->from == c) {
    for (const std::uint32_t part : to == Case::upper ? row->upper : row->title)
      if (part) text::append_utf8(out, part);
    return;
  }
  const auto point = static_cast<utf8proc_int32_t>(c);
  text::append_utf8(out, static_cast<std::uint32_t>(to == Case::lower   ? utf8proc_tolower(point)
                                                    : to == Case::title ? utf8proc_totitle(point)
                                                                        : utf8proc_toupper(point)));
}

/// Each character in the case that `choose` names, told whether it is the first and whether a cased one is before it.
std::string map_case(std::string_view text, Case (*choose)(bool first, bool in_word)) {
  std::string out;
  out.reserve(text.size());
  bool in_word = false, sigma_ends_word = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto step = text::utf8_step(text, at);
    const std::uint32_t c = step.code_point;
    const Case to = choose(at == 0, in_word);
    at += step.length;
    if (!step.valid) {
      out += text.substr(at - step.length, step.length);
      in_word = sigma_ends_word = false;
      continue;
    }
    if (to == Case::lower && c == 0x3A3) {
      text::append_utf8(out, sigma_ends_word && !cased_follows(text, at) ? 0x3C2 : 0x3C3);
    } else {
      append_case(out, c, to);
    }
    in_word = is_cased(c);
    if (!is_case_ignorable(c)) sigma_ends_word = in_word;
  }
  return out;
}

/// At least one cased character, and all of them in one case.
bool all_in_case(std::string_view text, bool (*fits)(std::uint32_t)) {
  bool found = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto step = text::utf8_step(text, at);
    at += step.length;
    if (!step.valid || !is_cased(step.code_point)) continue;
    if (!fits(step.code_point)) return false;
    found = true;
  }
  return found;
}

}  // namespace

std::string upper_case(std::string_view text) {
  return map_case(text, [](bool, bool) { return Case::upper; });
}
std::string lower_case(std::string_view text) {
  return map_case(text, [](bool, bool) { return Case::lower; });
}
std::string capitalized(std::string_view text) {
  return map_case(text, [](bool first, bool) { return first ? Case::title : Case::lower; });
}
std::string title_case(std::string_view text) {
  return map_case(text, [](bool, bool in_word) { return in_word ? Case::lower : Case::title; });
}

bool is_lower(std::string_view text) { return all_in_case(text, is_lower_letter); }
bool is_upper(std::string_view text) { return all_in_case(text, is_upper_letter); }

std::optional<int> decimal_digit(std::uint32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9' ? std::optional(static_cast<int>(c - '0')) : std::nullopt;
  const auto next = std::ranges::upper_bound(kDecimals, c, {}, &CharacterRange::first);
  if (next == std::begin(kDecimals) || c > std::prev(next)->last) return std::nullopt;
  return static_cast<int>((c - std::prev(next)->first) % 10);
}

bool is_digit_character(std::uint32_t c) { return decimal_digit(c) || is_in(kOtherDigits, c); }

}  // namespace openinfer::jinja
