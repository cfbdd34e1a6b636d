// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/quote.h"

#include <fmt/format.h>

#include <algorithm>

namespace openinfer::emit {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// Letters, digits, what is no ASCII, and characters that neither a shell nor Markdown reads anything into.
bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) ||
         std::string_view("._-+,:@%/").find(c) != std::string_view::npos;
}

bool is_plain(std::string_view name) {
  return !name.empty() && name[0] != '-' && std::all_of(name.begin(), name.end(), [](char c) { return is_plain(c); });
}

/// With `special` and control characters behind a backslash. Octal: a hexadecimal escape has no end in C++.
std::string escaped(std::string_view name, std::string_view special) {
  std::string text;
  for (const char c : name) {
    if (is_control(c))
      text += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    else if (special.find(c) != special.npos)
      text += {'\\', c};
    else
      text += c;
  }
  return text;
}

}  // namespace

std::string shell_word(std::string_view name) {
  const std::string path = (name.starts_with('-') ? "./" : "") + std::string(name);  // or it would be a flag
  if (is_plain(path)) return path;
  if (std::any_of(path.begin(), path.end(), is_control)) return "$'" + escaped(path, "'\\") + "'";
  std::string word = "'";
  for (const char c : path) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::string cpp_string(std::string_view name) { return escaped(name, "\"\\"); }

std::string markdown_name(std::string_view name) {
  if (is_plain(name)) return std::string(name);
  std::string fence = "`";
  while (name.find(fence) != name.npos) fence += '`';
  return fmt::format("{0} {1} {0}", fence, escaped(name, ""));
}

}  // namespace openinfer::emit
