// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/names.h"

#include <algorithm>
#include <array>

namespace openinfer {
namespace {

constexpr std::array<std::string_view, 18> kWords = {"oig",    "dim", "weight", "state", "const", "graph",
                                                     "for",    "in",  "carry",  "next",  "if",    "else",
                                                     "return", "at",  "true",   "false", "inf",   "nan"};
constexpr std::size_t kMaxLength = 255;

bool is_word(std::string_view text) { return std::find(kWords.begin(), kWords.end(), text) != kWords.end(); }

}  // namespace

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxLength || !is_letter(text.front()) || is_word(text)) return false;
  bool in_suffix = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (i + 1 == text.size() || !is_digit(text[i + 1])) return false;
      in_suffix = true;
    } else if (!is_digit(c) && (in_suffix || !is_letter(c))) {
      return false;
    }
  }
  return true;
}

std::string to_name(std::string_view text) {
  std::string name(text.substr(0, kMaxLength - 1));
  for (char& c : name)
    if (!is_letter(c) && !is_digit(c)) c = '_';
  if (name.empty() || is_digit(name.front())) name.insert(name.begin(), '_');
  if (is_word(name)) name += '_';
  return name;
}

std::string_view base_name(std::string_view name) {
  const auto dot = name.find('.');
  return dot == name.npos ? name : name.substr(0, dot);
}

}  // namespace openinfer
