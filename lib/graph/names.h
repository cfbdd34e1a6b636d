// SPDX-License-Identifier: Apache-2.0
// What may be a name in a graph and its text.
#pragma once

#include <string>
#include <string_view>

namespace openinfer {

/// What a name begins with; digits may follow.
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// [A-Za-z_][A-Za-z0-9_]* with .N suffixes allowed, at most 255 bytes, and no word of the language.
bool is_name(std::string_view text);
/// A name made of `text`: other characters become _, a word of the language gets a trailing _.
std::string to_name(std::string_view text);
/// `name` without a trailing .N.
std::string_view base_name(std::string_view name);

}  // namespace openinfer
