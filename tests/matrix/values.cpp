// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/values.h"

#include <cmath>
#include <cstring>
#include <random>

#include "lib/base/fail.h"
#include "lib/base/number.h"

namespace openinfer::matrix {
namespace {

using Bits = std::uint64_t;

std::size_t width(DType t) { return static_cast<std::size_t>(info(t).block_bytes); }

void put(Tensor& t, std::int64_t i, Bits bits) {  // little-endian, as every machine here is
  std::memcpy(t.mutable_bytes().data() + static_cast<std::size_t>(i) * width(t.dtype()), &bits, width(t.dtype()));
}
void put(Tensor& t, std::int64_t i, double value) {
  const bool whole = !is_float(t.dtype());
  const Number number = whole ? Number(static_cast<std::int64_t>(value)) : Number(value);
  if (!store_number(number, t.dtype(), t.mutable_bytes().data() + static_cast<std::size_t>(i) * width(t.dtype())))
    fail(ErrorCode::internal, "[matrix] {} is no {}", value, name(t.dtype()));
}

int mantissa_bits(DType t) { return t == f64 ? 52 : t == f32 ? 23 : t == bf16 ? 7 : 10; }

Bits bits_of(double value, DType t) {
  Tensor one(t, Extents{});
  put(one, 0, value);
  Bits bits = 0;
  std::memcpy(&bits, one.bytes().data(), width(t));
  return bits;
}

/// What pairs of operands are made of stands in front.
std::vector<Bits> float_specials(DType t) {
  const Bits sign = Bits{1} << (8 * width(t) - 1), mantissa = Bits{1} << mantissa_bits(t);
  const Bits infinity = (sign - 1) & ~(mantissa - 1), one = bits_of(1, t);
  std::vector<Bits> all = {0,        1,       mantissa - 1, mantissa, mantissa + 1,           infinity - 1,
                           infinity, one - 1, one,          one + 1,  infinity + mantissa / 2};
  for (const double x : {0.5, 2.0, 3.0, 0.1, 1e4}) all.push_back(bits_of(x, t));
  for (const double x :
       {1.5, 2.5, 0.01, 1e-4, 6.5, 9.1, 20.0, 88.5, 88.8, 104.0, 127.5, 128.5, 255.5, 256.0, 300.0, 32768.0})
    all.push_back(bits_of(x, t));
  if (t != f16)
    for (const double x :
         {65536.0, 2147483520.0, 2147483648.0, 4294967040.0, 4294967296.0, 9.2e18, 9.3e18, 1.8e19, 1.9e19, 1e30})
      all.push_back(bits_of(x, t));
  std::vector<Bits> both;
  for (const Bits b : all) both.insert(both.end(), {b, b | sign});
  return both;
}
constexpr std::size_t kPaired = 2 * 16;  // of them

std::vector<Bits> integer_specials(DType t) {
  const int bits = static_cast<int>(8 * width(t));
  const Bits all = bits == 64 ? ~Bits{0} : (Bits{1} << bits) - 1, high = Bits{1} << (bits - 1);
  std::vector<Bits> values = {0, 1, 2, 3, 7, 100, high - 1, high - 2, high / 2, high, high + 1, all, all - 1, all - 6};
  if (bits == 64)  // what no double holds
    values.insert(values.end(), {(Bits{1} << 53) + 1, (Bits{1} << 62) + 1, 0x8000000000000401u});
  return values;
}

std::vector<Bits> specials(DType t) {
  if (t == boolean) return {0, 1};
  return is_float(t) ? float_specials(t) : integer_specials(t);
}

/// One of a noisy element: any bits, or a number of ordinary size.
Bits any(DType t, std::mt19937_64& random) {
  if (t == boolean) return random() & 1;
  const Bits mask = width(t) == 8 ? ~Bits{0} : (Bits{1} << (8 * width(t))) - 1;
  if (!is_float(t) || random() % 4 == 0) return random() & mask;
  const double size = std::ldexp(1.0, static_cast<int>(random() % 24) - 16);
  return bits_of((static_cast<double>(random() % 20001) / 10000 - 1) * size, t);
}

double unit(std::mt19937_64& random) { return static_cast<double>(random() % (1 << 20)) / (1 << 19) - 1; }

}  // namespace

Fill every_value(int operand, int operands) {
  return [=](Tensor& t, std::uint32_t seed) {
    std::mt19937_64 random(seed + static_cast<std::uint32_t>(operand) * 977);
    const std::vector<Bits> values = specials(t.dtype());
    const std::size_t n = operands == 2 ? std::min(values.size(), kPaired) : values.size();
    std::size_t each = 1, combinations = 1;  // operand k stays for n^k elements
    for (int k = 0; k < operands; ++k) {
      if (k < operand) each *= n;
      combinations *= n;
    }
    if (operands > 2) combinations = std::min<std::size_t>(combinations, 1000);
    for (std::int64_t i = 0; i < t.count(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      const bool special = at < combinations;
      const std::size_t which = operands > 2 ? random() % n : at / each % n;
      put(t, i, special ? values[which] : any(t.dtype(), random));
    }
  };
}

Fill noise(double size) {
  return [size](Tensor& t, std::uint32_t seed) {
    std::mt19937_64 random(seed);
    for (std::int64_t i = 0; i < t.count(); ++i) put(t, i, size * unit(random));
  };
}

Fill rows_of_noise() {
  return [](Tensor& t, std::uint32_t seed) {
    if (!is_float(t.dtype())) return every_value()(t, seed);
    noise()(t, seed);
    const std::int64_t length = t.shape().empty() ? 1 : t.shape().back();
    if (t.count() == 0) return;
    for (std::int64_t row = 0; row < t.count() / length; ++row) {
      const std::int64_t first = row * length, middle = first + length / 2;
      if (row % 9 == 3 || row % 9 == 5) put(t, middle, HUGE_VAL);
      if (row % 9 == 4 || row % 9 == 5) put(t, first + length - 1, -HUGE_VAL);
      if (row % 9 == 6) put(t, middle, std::nan(""));
      for (std::int64_t i = 0; i < length; ++i) {
        if (row % 9 == 7) put(t, first + i, i % 2 == 0 ? -0.0 : 0.0);
        if (row % 9 == 8) put(t, first + i, -HUGE_VAL);
      }
    }
  };
}

Fill ids(std::int64_t limit) {
  return [limit](Tensor& t, std::uint32_t seed) {
    std::mt19937_64 random(seed);
    for (std::int64_t i = 0; i < t.count(); ++i) {
      const auto any_id = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(limit));
      put(t, i, static_cast<Bits>(i == 0 ? limit - 1 : i == 1 ? 0 : any_id));
    }
  };
}

Fill numbered(std::function<std::int64_t(std::int64_t)> f) {
  return [f = std::move(f)](Tensor& t, std::uint32_t) {
    for (std::int64_t i = 0; i < t.count(); ++i) put(t, i, static_cast<Bits>(f(i)));
  };
}

void flush_denormals(Tensor& t) {
  if (!is_float(t.dtype()) || t.dtype() == f16) return;  // those of f16 are normal where they are computed with
  const Bits sign = Bits{1} << (8 * width(t.dtype()) - 1), normal = Bits{1} << mantissa_bits(t.dtype());
  for (std::int64_t i = 0; i < t.count(); ++i) {
    Bits bits = 0;
    std::memcpy(&bits, t.bytes().data() + static_cast<std::size_t>(i) * width(t.dtype()), width(t.dtype()));
    if ((bits & (sign - 1)) < normal) put(t, i, bits & sign);
  }
}

std::uint32_t seed_of(std::string_view text) {
  std::uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

}  // namespace openinfer::matrix
