// SPDX-License-Identifier: Apache-2.0
// A template's text -> tokens, white space already taken away as trim_blocks, lstrip_blocks and the - and + signs say.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fail.h"

namespace openinfer::jinja {

/// Counted from 1; the column in bytes.
struct Position {
  std::uint32_t line = 1, column = 1;
};

template <class... Args>
[[noreturn]] void fail_template(ErrorCode code, Position at, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format("[chat template] {} at {}:{}", fmt::format(format, std::forward<Args>(args)...),
                                at.line, at.column));
}

enum class TokenKind {
  text,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  floating,
  op,
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // what it says: unescaped strings, digits without _
  Position at;
};

/// Errors: invalid_argument for an unclosed tag, comment or string, and for a character that no token starts with.
std::vector<Token> lex(std::string_view source);

}  // namespace openinfer::jinja
