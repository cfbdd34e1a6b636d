// SPDX-License-Identifier: Apache-2.0
// UTF-8 as lib/text needs it: decode, encode, replace, split into valid and invalid runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace openinfer::text {

/// One step of decoding. length is at least 1 while bytes are left; an ill-formed start has valid = false and the
/// length of the maximal part of a character found there (Unicode 3.9, table 3-7).
struct Utf8Step {
  std::uint32_t code_point = 0xFFFD;
  std::uint32_t length = 0;
  bool valid = false;
  bool cut = false;  // ill-formed only because the text ends: more bytes could complete it
};
Utf8Step utf8_step(std::string_view text, std::size_t at);

void append_utf8(std::string& out, std::uint32_t code_point);

/// Appends text with every ill-formed part, or each byte of it, as U+FFFD.
void append_lossy(std::string& out, std::string_view text, bool byte_by_byte = false);

/// The end of the run that starts at `at` and is either all valid UTF-8 or all invalid; says which.
struct Utf8Run {
  std::size_t end = 0;
  bool valid = false;
};
Utf8Run utf8_run(std::string_view text, std::size_t at);

bool is_utf8(std::string_view text);

/// Where the character that ends at `at` begins; an ill-formed byte counts as one character.
std::size_t utf8_previous(std::string_view text, std::size_t at);

/// White_Space of Unicode (the `\s` of tokenizers' patterns): stable since Unicode 6.3.
bool is_space(std::uint32_t code_point);

}  // namespace openinfer::text
