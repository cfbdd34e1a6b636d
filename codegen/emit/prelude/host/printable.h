// Text for a terminal: names and messages may hold what steers one (escape sequences), or what is not UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace MODEL_NAME {

/// Bytes of the UTF-8 character that the text begins with; 0: it begins with none.
inline std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first < 0x80   ? 1
                           : first < 0xc2 ? 0
                           : first < 0xe0 ? 2
                           : first < 0xf0 ? 3
                           : first < 0xf5 ? 4
                                          : 0;
  if (size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return size;
}

/// The text with control characters, and bytes that are not UTF-8, as \x1b; `keep` stays as it is.
inline std::string printable(std::string_view text, std::string_view keep = "") {
  constexpr char kHex[] = "0123456789abcdef";
  std::string shown;
  for (std::size_t size = 0; !text.empty(); text.remove_prefix(size)) {
    size = character_bytes(text);
    const unsigned char c = static_cast<unsigned char>(text[0]);
    const bool control = c < 0x20 || c == 0x7f || (c == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0);
    const bool plain = size > 0 && (!control || keep.find(text[0]) != keep.npos);
    if (size == 0) size = 1;
    if (plain) {
      shown += text.substr(0, size);
      continue;
    }
    for (const char byte : text.substr(0, size)) {
      const unsigned char bits = static_cast<unsigned char>(byte);
      shown += byte == '\n' ? "\\n" : std::string("\\x") + kHex[bits / 16] + kHex[bits % 16];
    }
  }
  return shown;
}

}  // namespace MODEL_NAME
