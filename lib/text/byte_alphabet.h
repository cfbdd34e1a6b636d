// SPDX-License-Identifier: Apache-2.0
// GPT-2's byte alphabet: every byte has a printable character, so that vocabularies are text. Bytes that print stand
// for themselves, the other 68 for U+0100 onwards in ascending order.
// Source: Radford et al. 2019, `bytes_to_unicode` of the published GPT-2 code.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/text/utf8.h"

namespace openinfer::text {

class ByteAlphabet {
 public:
  constexpr ByteAlphabet() {
    std::uint32_t next = 0x100;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      const std::uint32_t spelt = prints ? byte : next++;
      byte_of_[spelt] = static_cast<std::int16_t>(byte);
    }
  }

  /// "Ġthe" -> " the"; nothing if a character is not of the alphabet.
  std::optional<std::string> to_bytes(std::string_view spelt) const {
    std::string out;
    out.reserve(spelt.size());
    for (std::size_t at = 0; at < spelt.size();) {
      const Utf8Step step = utf8_step(spelt, at);
      if (!step.valid || step.code_point >= byte_of_.size() || byte_of_[step.code_point] < 0) return {};
      out.push_back(static_cast<char>(byte_of_[step.code_point]));
      at += step.length;
    }
    return out;
  }

 private:
  static constexpr std::array<std::int16_t, 0x144> unset() {
    std::array<std::int16_t, 0x144> table{};
    for (auto& entry : table) entry = -1;
    return table;
  }
  std::array<std::int16_t, 0x144> byte_of_ = unset();  // by code point; -1: not of the alphabet
};

inline constexpr ByteAlphabet kByteAlphabet;

}  // namespace openinfer::text
