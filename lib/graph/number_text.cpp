// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/number_text.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "lib/base/fail.h"
#include "lib/base/narrow.h"
#include "lib/graph/invalid.h"

namespace openinfer {
namespace {

template <class T>
T load(std::span<const std::byte> bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store(std::span<std::byte> bytes, std::size_t i, T value) {
  std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
}

/// What differs between the floats: their bits, the usual quiet NaN, and the float or double they are read through.
template <class BitsType, class WideType>
struct FloatFormat {
  using Bits = BitsType;
  using Wide = WideType;
  Bits quiet_nan;
  Bits exponent;  // all ones
  Bits (*to_bits)(Wide);
  Wide (*to_wide)(Bits);
};
constexpr FloatFormat<std::uint64_t, double> kF64{0x7ff8000000000000u, 0x7ff0000000000000u,
                                                  [](double v) { return std::bit_cast<std::uint64_t>(v); },
                                                  [](std::uint64_t b) { return std::bit_cast<double>(b); }};
constexpr FloatFormat<std::uint32_t, float> kF32{0x7fc00000u, 0x7f800000u,
                                                 [](float v) { return std::bit_cast<std::uint32_t>(v); },
                                                 [](std::uint32_t b) { return std::bit_cast<float>(b); }};
// Read through double, as the attributes of operators are: through float they would be rounded twice.
constexpr FloatFormat<std::uint16_t, double> kF16{0x7e00u, 0x7c00u, [](double v) { return narrow<Half>(v).bits; },
                                                  [](std::uint16_t b) -> double { return half_to_float(b); }};
constexpr FloatFormat<std::uint16_t, double> kBF16{0x7fc0u, 0x7f80u, [](double v) { return narrow<BFloat16>(v).bits; },
                                                   [](std::uint16_t b) -> double { return bfloat_to_float(b); }};

template <class T>
T read_decimal(const NumberText& number, Location at) {
  T value = 0;
  if (number.digits == "inf") {
    value = INFINITY;
  } else {
    const char* last = number.digits.data() + number.digits.size();
    const auto read = std::from_chars(number.digits.data(), last, value);
    if (read.ec != std::errc() || read.ptr != last)
      fail_at(at, kInvalid, "[oig] '{}' is no number, or one beyond every float", number.digits);
  }
  return number.negative ? -value : value;
}

template <class T>
T read_hex(std::string_view text, Location at) {
  T value = 0;
  const char* last = text.data() + text.size();
  const bool prefixed = text.starts_with("0x");
  const auto read = prefixed ? std::from_chars(text.data() + 2, last, value, 16) : std::from_chars_result{};
  if (!prefixed || read.ec != std::errc() || read.ptr != last)
    fail_at(at, kInvalid, "[oig] '{}' is no bit pattern of {} bits", text, sizeof(T) * 8);
  return value;
}

template <class Format>
auto read_float(const Format& format, const NumberText& number, Location at) {
  using Bits = typename Format::Bits;
  if (number.digits != "nan") {
    const Bits bits = format.to_bits(read_decimal<typename Format::Wide>(number, at));
    if ((bits & format.exponent) == format.exponent && number.digits != "inf")
      fail_at(at, kInvalid, "[oig] {} is beyond the largest number of its dtype; write inf if that is meant",
              number.digits);
    return bits;
  }
  constexpr auto kSign = static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
  if (number.nan_bits.empty()) return static_cast<Bits>(number.negative ? format.quiet_nan | kSign : format.quiet_nan);
  const Bits bits = read_hex<Bits>(number.nan_bits, at);
  const auto mantissa = static_cast<Bits>(bits & ~format.exponent & ~kSign);
  if ((bits & format.exponent) != format.exponent || mantissa == 0)
    fail_at(at, kInvalid, "[oig] nan({}) is no NaN of {} bits", number.nan_bits, sizeof(Bits) * 8);
  return bits;
}

template <class Format>
std::string float_text(const Format& format, typename Format::Bits bits) {
  const auto value = format.to_wide(bits);
  if (std::isnan(value)) return bits == format.quiet_nan ? "nan" : fmt::format("nan(0x{:x})", bits);
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if constexpr (sizeof bits >= sizeof value) return fmt::format("{}", value);
  // fmt knows the shortest text of floats and doubles; of halves it is the fewest digits that read back.
  for (int digits = 0; digits < 9; ++digits) {
    const std::string few = fmt::format("{:.{}e}", value, digits);
    decltype(format.to_wide(bits)) back = 0;
    std::from_chars(few.data(), few.data() + few.size(), back);
    if (format.to_bits(back) == bits) return fmt::format("{}", back);
  }
  fail(ErrorCode::internal, "no decimal gives {:#x} back", bits);
}

template <class T>
T read_integer(const NumberText& number, DType dtype, Location at) {
  const std::string text = (number.negative ? "-" : "") + std::string(number.digits);
  T value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size())
    fail_at(at, kInvalid, "[oig] {} does not fit {}", text, name(dtype));
  return value;
}

std::uint8_t read_bool(const NumberText& number, Location at) {
  if (number.negative || (number.digits != "true" && number.digits != "false"))
    fail_at(at, kInvalid, "[oig] a bool is true or false, not {}{}", number.negative ? "-" : "", number.digits);
  return number.digits == "true" ? 1 : 0;
}

[[noreturn]] void refuse(DType dtype, Location at) {
  fail_at(at, ErrorCode::dtype_mismatch, "[oig] {} has no elements that can be written as numbers", name(dtype));
}

}  // namespace

std::string number_text(double value) { return float_text(kF64, std::bit_cast<std::uint64_t>(value)); }

std::string literal_text(const Number& number) {
  if (const auto* integer = std::get_if<std::int64_t>(&number)) return std::to_string(*integer);
  if (const auto* integer = std::get_if<std::uint64_t>(&number)) return std::to_string(*integer);
  const std::string text = number_text(std::get<double>(number));
  const bool integral = text.find_first_not_of("-0123456789") == text.npos;
  return integral ? text + ".0" : text;
}

// Sub-byte, ternary and block dtypes pack several elements into a byte: no constant has them (Draft::declare_constant).
std::string element_text(DType dtype, std::span<const std::byte> bytes, std::size_t i) {
  if (dtype == DType::f64) return float_text(kF64, load<std::uint64_t>(bytes, i));
  if (dtype == DType::f32) return float_text(kF32, load<std::uint32_t>(bytes, i));
  if (dtype == DType::f16) return float_text(kF16, load<std::uint16_t>(bytes, i));
  if (dtype == DType::bf16) return float_text(kBF16, load<std::uint16_t>(bytes, i));
  if (dtype == DType::boolean) return load<std::uint8_t>(bytes, i) ? "true" : "false";
  if (dtype == DType::i8) return std::to_string(load<std::int8_t>(bytes, i));
  if (dtype == DType::i16) return std::to_string(load<std::int16_t>(bytes, i));
  if (dtype == DType::i32) return std::to_string(load<std::int32_t>(bytes, i));
  if (dtype == DType::i64) return std::to_string(load<std::int64_t>(bytes, i));
  if (dtype == DType::u8) return std::to_string(load<std::uint8_t>(bytes, i));
  if (dtype == DType::u16) return std::to_string(load<std::uint16_t>(bytes, i));
  if (dtype == DType::u32) return std::to_string(load<std::uint32_t>(bytes, i));
  if (dtype == DType::u64) return std::to_string(load<std::uint64_t>(bytes, i));
  if (dtype == DType::f8e4m3 || dtype == DType::f8e5m2) return fmt::format("0x{:02x}", load<std::uint8_t>(bytes, i));
  refuse(dtype, {});
}

Number parse_literal(const NumberText& number, Location at) {
  if (number.digits.find_first_not_of("0123456789") != std::string_view::npos) return parse_double(number, at);
  if (number.negative) return read_integer<std::int64_t>(number, DType::i64, at);
  const auto value = read_integer<std::uint64_t>(number, DType::u64, at);
  if (value > INT64_MAX) return value;
  return static_cast<std::int64_t>(value);
}

double parse_double(const NumberText& number, Location at) {
  return std::bit_cast<double>(read_float(kF64, number, at));
}

void parse_element(const NumberText& number, DType dtype, std::span<std::byte> bytes, std::size_t i, Location at) {
  if (dtype == DType::f64) return store(bytes, i, read_float(kF64, number, at));
  if (dtype == DType::f32) return store(bytes, i, read_float(kF32, number, at));
  if (dtype == DType::f16) return store(bytes, i, read_float(kF16, number, at));
  if (dtype == DType::bf16) return store(bytes, i, read_float(kBF16, number, at));
  if (dtype == DType::boolean) return store(bytes, i, read_bool(number, at));
  if (dtype == DType::i8) return store(bytes, i, read_integer<std::int8_t>(number, dtype, at));
  if (dtype == DType::i16) return store(bytes, i, read_integer<std::int16_t>(number, dtype, at));
  if (dtype == DType::i32) return store(bytes, i, read_integer<std::int32_t>(number, dtype, at));
  if (dtype == DType::i64) return store(bytes, i, read_integer<std::int64_t>(number, dtype, at));
  if (dtype == DType::u8) return store(bytes, i, read_integer<std::uint8_t>(number, dtype, at));
  if (dtype == DType::u16) return store(bytes, i, read_integer<std::uint16_t>(number, dtype, at));
  if (dtype == DType::u32) return store(bytes, i, read_integer<std::uint32_t>(number, dtype, at));
  if (dtype == DType::u64) return store(bytes, i, read_integer<std::uint64_t>(number, dtype, at));
  if (dtype == DType::f8e4m3 || dtype == DType::f8e5m2)
    return store(bytes, i, read_hex<std::uint8_t>(number.digits, at));
  refuse(dtype, at);
}

}  // namespace openinfer
