// SPDX-License-Identifier: Apache-2.0
// Follows jinja2's lexer with trim_blocks and lstrip_blocks on and keep_trailing_newline off, as transformers sets it.
#include "lib/text/jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "lib/text/utf8.h"

namespace openinfer::jinja {

namespace {

constexpr std::string_view kSpace = " \t\n\r\f\v";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// \r\n and \r become \n; one newline at the end goes.
std::string unify_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out += source[i] == '\r' ? '\n' : source[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(unify_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) piece();
    emit(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  /// Text up to the next tag, and the tag.
  void piece() {
    const std::size_t open = find_tag(at_);
    if (open == source_.npos) {
      emit(TokenKind::text, source_.substr(at_));
      at_ = source_.size();
      return;
    }
    const char kind = source_[open + 1];
    text_before(open, kind);
    advance(open + 2);
    if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) advance(at_ + 1);
    if (kind == '#') return comment();
    if (kind == '%' && raw()) return;
    emit(kind == '%' ? TokenKind::block_begin : TokenKind::variable_begin, source_.substr(open, 2));
    inside(kind);
  }

  std::size_t find_tag(std::size_t from) const {
    for (std::size_t at = from; (at = source_.find('{', at)) != source_.npos; ++at)
      if (at + 1 < source_.size() && std::string_view("{%#").find(source_[at + 1]) != std::string_view::npos) return at;
    return source_.npos;
  }

  /// Emits [at_, open) stripped as the sign after `open` and lstrip_blocks want it.
  void text_before(std::size_t open, char kind) {
    std::string_view text = std::string_view(source_).substr(at_, open - at_);
    const char sign = open + 2 < source_.size() ? source_[open + 2] : '\0';
    if (sign == '-') {
      text = strip_right(text);
    } else if (sign != '+' && kind != '{') {
      const auto newline = text.rfind('\n');
      const std::size_t line = newline == text.npos ? 0 : newline + 1;
      if ((line > 0 || line_starting_) && strip_right(text.substr(line)).empty()) text = text.substr(0, line);
    }
    if (!text.empty()) emit(TokenKind::text, std::string(text));
    line_starting_ = false;
  }

  static std::string_view strip_right(std::string_view text) {
    while (!text.empty()) {
      const std::size_t last = text::utf8_previous(text, text.size());
      const auto step = text::utf8_step(text, last);
      if (!step.valid || !(text::is_space(step.code_point) || (step.code_point >= 0x1C && step.code_point <= 0x1F)))
        break;
      text = text.substr(0, last);
    }
    return text;
  }

  void comment() {
    const Position begin = position_;
    const auto close = source_.find("#}", at_);
    if (close == source_.npos) fail_template(ErrorCode::invalid_argument, begin, "a comment has no end");
    const char sign = close > at_ ? source_[close - 1] : '\0';
    after_end(close + 2, sign, true);
  }

  /// After a tag's closing brackets: "-" takes all white space, otherwise trim_blocks one newline unless "+".
  void after_end(std::size_t end, char sign, bool trim) {
    if (sign == '-') {
      while (end < source_.size()) {
        const auto step = text::utf8_step(source_, end);
        if (!step.valid || !(text::is_space(step.code_point) || (step.code_point >= 0x1C && step.code_point <= 0x1F)))
          break;
        end += step.length;
      }
    } else if (trim && sign != '+' && end < source_.size() && source_[end] == '\n') {
      ++end;
    }
    advance(end);
    line_starting_ = source_[end - 1] == '\n';
  }

  /// Matches "SPACE word SPACE [sign]%}" at `at`: the place after it and the sign.
  std::optional<std::pair<std::size_t, char>> match_block(std::size_t at, std::string_view word) const {
    at = std::min(source_.find_first_not_of(kSpace, at), source_.size());
    if (!std::string_view(source_).substr(at).starts_with(word)) return {};
    at = std::min(source_.find_first_not_of(kSpace, at + word.size()), source_.size());
    char sign = '\0';
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) sign = source_[at++];
    if (!std::string_view(source_).substr(at).starts_with("%}")) return {};
    return std::pair{at + 2, sign};
  }

  /// {% raw %} … {% endraw %}; true if there was one.
  bool raw() {
    const auto begin = match_block(at_, "raw");
    if (!begin) return false;
    const Position start = position_;
    after_end(begin->first, begin->second, false);
    for (std::size_t open = at_; (open = source_.find("{%", open)) != source_.npos; ++open) {
      const bool sign = open + 2 < source_.size() && (source_[open + 2] == '-' || source_[open + 2] == '+');
      const auto end = match_block(open + 2 + sign, "endraw");
      if (!end) continue;
      text_before(open, '%');
      after_end(end->first, end->second, true);
      return true;
    }
    fail_template(ErrorCode::invalid_argument, start, "raw has no endraw");
  }

  /// The tokens of one tag, up to and with its end.
  void inside(char kind) {
    const Position begin = position_;
    const std::string_view close = kind == '%' ? "%}" : "}}";
    std::string open_brackets;
    while (true) {
      advance(std::min(source_.find_first_not_of(kSpace, at_), source_.size()));
      if (at_ == source_.size()) fail_template(ErrorCode::invalid_argument, begin, "a tag has no {}", close);
      if (open_brackets.empty() && tag_end(kind, close)) return;
      token(open_brackets);
    }
  }

  bool tag_end(char kind, std::string_view close) {
    const std::string_view rest = std::string_view(source_).substr(at_);
    const char sign = rest[0] == '-' || (rest[0] == '+' && kind == '%') ? rest[0] : '\0';
    if (!rest.substr(sign != '\0').starts_with(close)) return false;
    emit(kind == '%' ? TokenKind::block_end : TokenKind::variable_end, std::string(close));
    after_end(at_ + (sign != '\0') + 2, sign, kind == '%');
    return true;
  }

  void token(std::string& open_brackets) {
    const char c = source_[at_];
    if (is_digit(c)) return number();
    if (is_name(c)) return word();
    if (c == '"' || c == '\'') return string(c);
    for (const std::string_view op : {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                      "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"}) {
      if (!std::string_view(source_).substr(at_).starts_with(op)) continue;
      balance(op[0], open_brackets);
      emit(TokenKind::op, std::string(op));
      advance(at_ + op.size());
      return;
    }
    fail_template(ErrorCode::invalid_argument, position_, "unexpected character '{}'", c);
  }

  /// While a bracket is open, }} and %} do not end the tag.
  void balance(char op, std::string& open) const {
    constexpr std::string_view begins = "([{", ends = ")]}";
    if (const auto i = begins.find(op); i != begins.npos) open += ends[i];
    if (ends.find(op) == ends.npos) return;
    if (open.empty() || open.back() != op) fail_template(ErrorCode::invalid_argument, position_, "unexpected '{}'", op);
    open.pop_back();
  }

  void word() {
    std::size_t end = at_;
    while (end < source_.size() && is_name(source_[end])) ++end;
    emit(TokenKind::name, source_.substr(at_, end - at_));
    advance(end);
  }

  /// 10, 1_000, 0x1F, 1.5, 1e3. "1.real" and "a.0.b" keep their dots.
  void number() {
    std::size_t end = at_;
    const auto digits = [&](std::size_t at) {
      while (at < source_.size() &&
             (is_digit(source_[at]) || (source_[at] == '_' && at + 1 < source_.size() && is_digit(source_[at + 1]))))
        ++at;
      return at;
    };
    if (source_[at_] == '0' && at_ + 1 < source_.size() &&
        std::string_view("xXoObB").find(source_[at_ + 1]) != std::string_view::npos) {
      for (end += 2; end < source_.size() && is_name(source_[end]);) ++end;
      return finish_number(TokenKind::integer, end);
    }
    end = digits(at_);
    TokenKind kind = TokenKind::integer;
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (!after_dot && end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      kind = TokenKind::floating;
      end = digits(end + 1);
    }
    if (!after_dot && end + 1 < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const std::size_t exponent = end + 1 + (source_[end + 1] == '+' || source_[end + 1] == '-');
      if (exponent < source_.size() && is_digit(source_[exponent])) {
        kind = TokenKind::floating;
        end = digits(exponent);
      }
    }
    finish_number(kind, end);
  }

  void finish_number(TokenKind kind, std::size_t end) {
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    emit(kind, std::move(text));
    advance(end);
  }

  void string(char quote) {
    std::string out;
    const Position begin = position_;
    std::size_t at = at_ + 1;
    while (at < source_.size() && source_[at] != quote) {
      if (source_[at] != '\\' || at + 1 >= source_.size()) {
        out += source_[at++];
      } else {
        at = escape(at + 1, out);
      }
    }
    if (at >= source_.size()) fail_template(ErrorCode::invalid_argument, begin, "a string has no end");
    emit(TokenKind::string, std::move(out));
    advance(at + 1);
  }

  /// One escape of a Python string whose letter is at `at`; returns the place after it.
  std::size_t escape(std::size_t at, std::string& out) const {
    constexpr std::string_view from = "\\'\"abfnrtv", to = "\\'\"\a\b\f\n\r\t\v";
    const char c = source_[at];
    if (c == '\n') return at + 1;
    if (const auto i = from.find(c); i != from.npos) {
      out += to[i];
      return at + 1;
    }
    if (c >= '0' && c <= '7') return code(at, 3, 8, false, out);
    if (c == 'x') return code(at + 1, 2, 16, true, out);
    if (c == 'u') return code(at + 1, 4, 16, true, out);
    if (c == 'U') return code(at + 1, 8, 16, true, out);
    (out += '\\') += c;
    return at + 1;
  }

  std::size_t code(std::size_t at, std::size_t digits, int base, bool all, std::string& out) const {
    std::uint32_t value = 0;
    const char* first = source_.data() + at;
    const auto read = std::from_chars(first, first + std::min(digits, source_.size() - at), value, base);
    if (read.ec != std::errc() || (all && read.ptr != first + digits) || value > 0x10FFFF ||
        (value >= 0xD800 && value < 0xE000))
      fail_template(ErrorCode::invalid_argument, position_, "a string has a bad escape");
    text::append_utf8(out, value);
    return at + static_cast<std::size_t>(read.ptr - first);
  }

  void emit(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), position_}); }

  void advance(std::size_t to) {
    for (; at_ < to; ++at_) {
      ++position_.column;
      if (source_[at_] == '\n') position_ = {position_.line + 1, 1};
    }
  }

  std::string source_;
  std::size_t at_ = 0;
  Position position_;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view source) { return Lexer(source).run(); }

}  // namespace openinfer::jinja
