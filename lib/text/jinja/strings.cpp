// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "lib/text/jinja/interpreter.h"
#include "lib/text/utf8.h"

namespace openinfer::jinja {

namespace {

/// Python's str.isspace for one character: White_Space and the four separators of ASCII.
bool is_python_space(std::string_view character) {
  const auto step = text::utf8_step(character, 0);
  return step.valid && (text::is_space(step.code_point) || (step.code_point >= 0x1C && step.code_point <= 0x1F));
}

/// Pays for what the comparison reads, so that many near matches of a long part are not free.
bool matches(std::string_view text, std::string_view part, Budget& budget) {
  constexpr std::size_t kNear = 16;
  budget.spend(1);
  if (text.substr(0, kNear) != part.substr(0, kNear)) return false;
  budget.spend(part.size() / 16);
  return text == part;
}

}  // namespace

std::size_t find(std::string_view text, std::string_view part, std::size_t from, Budget& budget) {
  if (part.empty()) return from <= text.size() ? from : text.npos;
  for (std::size_t at = from; (at = text.find(part[0], at)) != text.npos; ++at) {
    if (part.size() > text.size() - at) return text.npos;
    if (matches(text.substr(at, part.size()), part, budget)) return at;
  }
  return text.npos;
}

std::size_t rfind(std::string_view text, std::string_view part, Budget& budget) {
  if (part.empty()) return text.size();
  if (part.size() > text.size()) return text.npos;
  for (std::size_t at = text.size() - part.size(); (at = text.rfind(part[0], at)) != text.npos; --at) {
    if (matches(text.substr(at, part.size()), part, budget)) return at;
    if (at == 0) break;
  }
  return text.npos;
}

std::size_t character_count(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) at += text::utf8_step(text, at).length;
  return count;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size(); at += out.back().size())
    out.push_back(text.substr(at, text::utf8_step(text, at).length));
  return out;
}

std::string_view strip(std::string_view text, const Value* set, Side side) {
  std::vector<std::string_view> wanted;
  if (set && set->is(Kind::string)) wanted = characters(set->string());
  std::ranges::sort(wanted);
  const auto goes = [&](std::string_view character) {
    return set && set->is(Kind::string) ? std::ranges::binary_search(wanted, character) : is_python_space(character);
  };
  while (side != Side::right && !text.empty()) {
    const auto first = text.substr(0, text::utf8_step(text, 0).length);
    if (!goes(first)) break;
    text.remove_prefix(first.size());
  }
  while (side != Side::left && !text.empty()) {
    const std::size_t last = text::utf8_previous(text, text.size());
    if (!goes(text.substr(last))) break;
    text = text.substr(0, last);
  }
  return text;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to, std::int64_t most,
                    Budget& budget) {
  std::string out;
  budget.spend(text.size());
  std::size_t at = 0;
  for (std::int64_t count = 0; most < 0 || count < most; ++count) {
    const std::size_t found = from.empty() ? at : find(text, from, at, budget);
    if (found == text.npos || found > text.size()) break;
    budget.spend(to.size() + 1);
    out.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
    if (!from.empty()) continue;
    if (at >= text.size()) return out;
    const std::size_t step = text::utf8_step(text, at).length;
    out += text.substr(at, step);
    at += step;
  }
  return out.append(text.substr(std::min(at, text.size())));
}

}  // namespace openinfer::jinja
