// SPDX-License-Identifier: Apache-2.0
// The words of a graph text, one at a time. Line breaks and `// comments` separate words and mean nothing else.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "openinfer/error.h"

namespace openinfer {

/// In bytes: a reader of a file or a pipe need not go on behind it.
inline constexpr std::size_t kMaxGraphText = std::size_t{64} << 20;

struct Token {
  enum class Kind {
    end,
    name,      // q.1, f32, for
    number,    // 12, 0.5, 1e-05, 0x7fc0: without a sign
    text,      // "…": `text` is what stands between the quotes, escapes untouched
    weight,    // @Wq.{l}: `text` without the @
    constant,  // #window
    state,     // $kv
    symbol,    // ( ) { } [ ] , : = + - * / % | .. -> <=
  };
  Kind kind = Kind::end;
  std::string_view text = {};
  int line = 1;
};

/// A cheap value: copying one is how the parser looks ahead.
class Lexer {
 public:
  Lexer(std::string_view source, const char* file, int line = 1) : source_(source), file_(file), line_(line) {}

  /// Errors: invalid_argument for a character or an unfinished word that no text contains.
  Token next();
  /// What follows `at`: everything up to the next blank, split at its last colon; the file may be quoted.
  struct Place {
    std::string file;
    int line = 0;
  };
  Place place();
  int line() const { return line_; }

 private:
  void skip_blanks();
  Token take(Token::Kind kind, std::size_t from, std::size_t count, std::size_t skip = 0);
  Token number();
  Token quoted();
  Token weight();
  [[noreturn]] void refuse(const std::string& what) const;

  std::string_view source_;
  const char* file_;
  int line_;
  std::size_t at_ = 0;
};

/// "a\"b" with its escapes undone, and the other way round, quotes included.
std::string unquote(std::string_view text, Location at);
std::string quote(std::string_view text);

}  // namespace openinfer
