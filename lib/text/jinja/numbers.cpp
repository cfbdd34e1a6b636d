// SPDX-License-Identifier: Apache-2.0
#include "lib/text/jinja/numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "lib/base/fail.h"
#include "lib/text/jinja/interpreter.h"
#include "lib/text/utf8.h"

namespace openinfer::jinja {

namespace {

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

/// Digits and spaces of any script in ASCII, without what surrounds them and without underscores between digits;
/// nothing if an underscore stands elsewhere. What is neither becomes '?', which no number has.
std::optional<std::string> plain_number(std::string_view text) {
  std::string ascii;
  for (std::size_t at = 0; at < text.size();) {
    const auto step = text::utf8_step(text, at);
    at += step.length;
    const auto digit = decimal_digit(step.code_point);
    ascii += step.code_point < 0x80                          ? static_cast<char>(step.code_point)
             : digit                                         ? static_cast<char>('0' + *digit)
             : step.valid && text::is_space(step.code_point) ? ' '
                                                             : '?';
  }
  const auto first = ascii.find_first_not_of(" \t\n\v\f\r");
  if (first == ascii.npos) return std::nullopt;
  ascii = ascii.substr(first, ascii.find_last_not_of(" \t\n\v\f\r") + 1 - first);
  std::string out;
  for (std::size_t i = 0; i < ascii.size(); ++i) {
    if (ascii[i] != '_') {
      out += ascii[i];
    } else if (i == 0 || i + 1 == ascii.size() || !is_ascii_digit(ascii[i - 1]) || !is_ascii_digit(ascii[i + 1])) {
      return std::nullopt;
    }
  }
  return out;
}

/// Takes the sign away.
bool take_minus(std::string_view& text) {
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  return minus;
}

/// What a number is that no double holds: infinite or 0, by the place of its first digit.
double beyond_double(std::string_view number) {
  const auto e = std::min(number.find_first_of("eE"), number.size());
  const auto mantissa = number.substr(0, e), point = mantissa.substr(0, mantissa.find('.'));
  std::int64_t exponent = 0;
  if (e < number.size()) {
    std::string_view digits = number.substr(e + 1);
    const bool minus = take_minus(digits);
    constexpr std::int64_t kFar = std::int64_t{1} << 62;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), exponent).ec != std::errc() || exponent > kFar)
      exponent = kFar;
    if (minus) exponent = -exponent;
  }
  const auto first = mantissa.find_first_of("123456789");
  if (first == mantissa.npos) return 0;
  const auto place = static_cast<std::int64_t>(point.size()) - static_cast<std::int64_t>(first) + exponent;
  return place > 0 ? std::numeric_limits<double>::infinity() : 0;
}

/// "inf", "infinity" and "nan" in any case.
std::optional<double> parse_word(std::string_view text) {
  const std::string word = lower_case(text);
  if (word == "inf" || word == "infinity") return std::numeric_limits<double>::infinity();
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

[[noreturn]] void too_large(std::string_view number) {
  fail(ErrorCode::invalid_argument, "an integer beyond 64 bits: {}", number.substr(0, 40));
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const auto plain = plain_number(text);
  if (!plain) return std::nullopt;
  std::string_view digits = *plain;
  take_minus(digits);
  if (digits.empty() || !std::ranges::all_of(digits, is_ascii_digit)) return std::nullopt;
  const std::string_view signed_digits = std::string_view(*plain).substr(plain->starts_with('+'));
  std::int64_t value = 0;
  if (std::from_chars(signed_digits.data(), signed_digits.data() + signed_digits.size(), value).ec != std::errc())
    too_large(*plain);
  return value;
}

std::optional<double> parse_float(std::string_view text) {
  const auto plain = plain_number(text);
  if (!plain) return std::nullopt;
  std::string_view number = *plain;
  const bool minus = take_minus(number);
  std::optional<double> value = parse_word(number);
  if (!value) {
    if (number.empty() || (!is_ascii_digit(number[0]) && number[0] != '.')) return std::nullopt;
    const char* end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, value.emplace());
    if (read.ec == std::errc::invalid_argument || read.ptr != end) return std::nullopt;
    if (read.ec == std::errc::result_out_of_range) value = beyond_double(number);
  }
  return minus ? -*value : *value;
}

std::int64_t truncated(double value) {
  if (std::abs(value) < 0x1p63 || value == -0x1p63) return static_cast<std::int64_t>(value);
  fail(ErrorCode::invalid_argument, "an integer beyond 64 bits: {}", value);
}

// ---- arithmetic ----

Value Interpreter::integers(const std::string& op, std::int64_t a, std::int64_t b) const {
  std::int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (op == "**") {
    if (b < 0) return floats(op, static_cast<double>(a), static_cast<double>(b));
    result = 1;
    if (a == 0 || a == 1 || a == -1) return b == 0 || a == 1 || (a == -1 && b % 2 == 0) ? 1 : static_cast<int>(a);
    for (std::int64_t i = 0; i < b && !overflow; ++i) overflow = __builtin_mul_overflow(result, a, &result);
  } else if (b == 0) {
    error("division by zero");
  } else if (b == -1) {
    overflow = op != "%" && __builtin_sub_overflow(0, a, &result);
  } else {
    result = op == "%" ? a % b : a / b;
    if (a % b != 0 && (a < 0) != (b < 0)) result += op == "%" ? b : -1;  // Python rounds to minus infinity
  }
  if (overflow) error("an integer beyond 64 bits: {} {} {}", a, op, b);
  return result;
}

Value Interpreter::floats(const std::string& op, double a, double b) const {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") return power(a, b);
  if (b == 0) error("division by zero");
  if (op == "/") return a / b;
  // CPython's float_rem and float_floor_div: a rest of 0 has the divisor's sign.
  double rest = std::fmod(a, b), quotient = (a - rest) / b;
  if (rest == 0) {
    rest = std::copysign(0.0, b);
  } else if ((b < 0) != (rest < 0)) {
    rest += b;
    quotient -= 1;
  }
  if (op == "%") return rest;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

double Interpreter::power(double a, double b) const {
  if (a == 0 && b < 0 && std::isfinite(b)) error("division by zero: {} ** {}", a, b);
  if (a < 0 && std::isfinite(a) && std::isfinite(b) && std::floor(b) != b) error("{} ** {} is a complex number", a, b);
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) error("{} ** {} is too large for a float", a, b);
  return result;
}

Value Interpreter::negated(const Value& value, bool minus) const {
  if (value.is(Kind::undefined)) error("{}", value.undefined().what);
  if (!value.is_number()) error("{} of '{}'", minus ? "-" : "+", type_name(value));
  if (value.is(Kind::floating)) return minus ? -value.number() : value.number();
  if (minus && value.integer() == INT64_MIN) error("an integer beyond 64 bits: -({})", value.integer());
  return minus ? -value.integer() : value.integer();
}

}  // namespace openinfer::jinja
