// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/lexer.h"

#include <array>
#include <charconv>

#include "lib/base/fail.h"
#include "lib/graph/invalid.h"
#include "lib/graph/names.h"

namespace openinfer {
namespace {

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_printable(char c) { return c >= ' ' && c <= '~'; }

/// How many characters of `s` from `at` on satisfy `f`.
template <class F>
std::size_t run(std::string_view s, std::size_t at, F f) {
  std::size_t count = 0;
  while (at + count < s.size() && f(s[at + count])) ++count;
  return count;
}

/// [A-Za-z_][A-Za-z0-9_]* and then any number of .digits
std::size_t name_length(std::string_view s, std::size_t at) {
  if (at >= s.size() || !is_letter(s[at])) return 0;
  std::size_t end = at + run(s, at, [](char c) { return is_letter(c) || is_digit(c); });
  while (end + 1 < s.size() && s[end] == '.' && is_digit(s[end + 1])) end += 1 + run(s, end + 1, is_digit);
  return end - at;
}

}  // namespace

void Lexer::refuse(const std::string& what) const { fail_at({file_, line_}, kInvalid, "[oig] {}", what); }

void Lexer::skip_blanks() {
  while (at_ < source_.size()) {
    if (source_.substr(at_).starts_with("//")) {
      at_ += run(source_, at_, [](char c) { return c != '\n'; });
    } else if (is_blank(source_[at_])) {
      line_ += source_[at_++] == '\n';
    } else {
      return;
    }
  }
}

Token Lexer::take(Token::Kind kind, std::size_t from, std::size_t count, std::size_t skip) {
  at_ = from + count + skip;
  return {kind, source_.substr(from, count), line_};
}

Token Lexer::next() {
  skip_blanks();
  if (at_ == source_.size()) return {Token::Kind::end, {}, line_};
  const char c = source_[at_];
  if (is_letter(c)) return take(Token::Kind::name, at_, name_length(source_, at_));
  if (is_digit(c)) return number();
  if (c == '"') return quoted();
  if (c == '@') return weight();
  if (c == '#' || c == '$') {
    const std::size_t length = name_length(source_, at_ + 1);
    if (length == 0) refuse(fmt::format("'{}' needs a name behind it", c));
    return take(c == '#' ? Token::Kind::constant : Token::Kind::state, at_ + 1, length);
  }
  const std::string_view pair = source_.substr(at_, 2);
  if (pair == ".." || pair == "->" || pair == "<=") return take(Token::Kind::symbol, at_, 2);
  if (std::string_view("(){}[],:=+-*/%|").find(c) != std::string_view::npos) return take(Token::Kind::symbol, at_, 1);
  refuse(is_printable(c) ? fmt::format("'{}' means nothing here", c)
                         : fmt::format("a byte 0x{:02x} means nothing here", static_cast<unsigned char>(c)));
}

Token Lexer::number() {
  const std::size_t from = at_;
  std::size_t end = from;
  if (source_.substr(from).starts_with("0x")) {
    end += 2 + run(source_, from + 2, is_hex);
    if (end == from + 2) refuse("0x needs hexadecimal digits behind it");
    return take(Token::Kind::number, from, end - from);
  }
  const auto digits = [&](std::size_t at) { return run(source_, at, is_digit); };
  end += digits(end);
  if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) end += 1 + digits(end + 1);
  if (end < source_.size() && source_[end] == 'e') {
    const std::size_t sign = end + 1 < source_.size() && (source_[end + 1] == '-' || source_[end + 1] == '+') ? 1 : 0;
    if (digits(end + 1 + sign) == 0) refuse("an exponent needs digits");
    end += 1 + sign + digits(end + 1 + sign);
  }
  return take(Token::Kind::number, from, end - from);
}

Token Lexer::quoted() {
  std::size_t end = at_ + 1;
  for (; end < source_.size() && source_[end] != '"'; ++end) {
    if (source_[end] == '\n') refuse("a quoted string ends on its own line");
    if (source_[end] == '\\' && end + 1 < source_.size() && source_[end + 1] != '\n') ++end;
  }
  if (end >= source_.size()) refuse("a quoted string is not closed");
  return take(Token::Kind::text, at_ + 1, end - at_ - 1, 1);
}

Token Lexer::weight() {
  const auto in_key = [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '/' || c == '-'; };
  std::size_t end = at_ + 1;
  for (;;) {
    end += run(source_, end, in_key);
    if (end == source_.size() || source_[end] != '{') break;
    const std::size_t inside = run(source_, end, [](char c) { return c != '}' && c != '\n'; });
    end += inside;
    if (end == source_.size() || source_[end] != '}') refuse("a { in a key is not closed");
    ++end;
  }
  if (end == at_ + 1) refuse("'@' needs a key behind it");
  return take(Token::Kind::weight, at_ + 1, end - at_ - 1);
}

Lexer::Place Lexer::place() {
  skip_blanks();
  const Location here{file_, line_};
  Place place;
  if (at_ < source_.size() && source_[at_] == '"') {
    place.file = unquote(quoted().text, here);
    if (at_ == source_.size() || source_[at_] != ':') refuse("a location reads FILE:LINE");
  } else {
    const std::size_t count = run(source_, at_, [](char c) { return !is_blank(c) && c != '"'; });
    const std::size_t colon = source_.substr(at_, count).rfind(':');
    if (colon == std::string_view::npos || colon == 0) refuse("a location reads FILE:LINE");
    place.file = source_.substr(at_, colon);
    at_ += colon;
  }
  const char* first = source_.data() + at_ + 1;
  const auto read = std::from_chars(first, source_.data() + source_.size(), place.line);
  if (read.ec != std::errc() || place.line < 0) refuse("a location reads FILE:LINE");
  at_ = static_cast<std::size_t>(read.ptr - source_.data());
  return place;
}

std::string unquote(std::string_view text, Location at) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    const char kind = ++i < text.size() ? text[i] : '\0';
    unsigned byte = 0;
    if (kind == '"' || kind == '\\') {
      plain += kind;
    } else if (kind == 'n') {
      plain += '\n';
    } else if (kind == 'x' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2])) {
      std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
      plain += static_cast<char>(byte);
      i += 2;
    } else {
      fail_at(at, kInvalid, "[oig] a string knows the escapes \\\" \\\\ \\n and \\x1f");
    }
  }
  return plain;
}

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      quoted += '\\', quoted += c;
    else if (c == '\n')
      quoted += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      quoted += c;
  }
  return quoted + '"';
}

}  // namespace openinfer
