// SPDX-License-Identifier: Apache-2.0
#include "codegen/check/bounded.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "lib/base/codec_plain.h"
#include "lib/base/dequantize.h"
#include "lib/base/float8.h"
#include "lib/ops/scalar_eval.h"

namespace openinfer::check {
namespace {

constexpr double kSmallestNormal = 0x1p-126;  // of f32: devices may flush what is below

}  // namespace

double unit(DType dtype) {
  if (dtype == DType::f64) return 0x1p-53;
  if (dtype == DType::f32) return 0x1p-24;
  if (dtype == DType::f16) return 0x1p-11;
  return dtype == DType::bf16 ? 0x1p-8 : 0;
}

double rounded(DType dtype, double x) {
  if (dtype == DType::f32) return static_cast<float>(x);
  if (dtype == DType::f16) return Half(static_cast<float>(x));
  if (dtype == DType::bf16) return BFloat16(static_cast<float>(x));
  if (dtype == DType::f8e4m3) return codec::f8e4m3_to_float(Float8E4M3(static_cast<float>(x)).bits);
  if (dtype == DType::f8e5m2) return codec::f8e5m2_to_float(Float8E5M2(static_cast<float>(x)).bits);
  return x;
}

bool is_open_ended(double value, double error) { return std::isinf(value) && error > 0 && std::isfinite(error); }

double bound_of(DType dtype, double value, double error, double stored) {
  constexpr double kAnything = std::numeric_limits<double>::infinity();
  if (!std::isfinite(error)) return kAnything;
  if (std::isnan(value)) return std::isnan(stored) ? 0 : kAnything;
  if (is_open_ended(value, error))
    return stored == value && rounded(dtype, std::copysign(error, value)) == value ? 0 : kAnything;
  double low = value - error, high = value + error;
  if (is_float(dtype) && low < kSmallestNormal && high > -kSmallestNormal) {
    low = std::min(low, 0.0);
    high = std::max(high, 0.0);
  }
  double bound = 0;
  for (const double end : {rounded(dtype, low), rounded(dtype, high)}) {
    if (end == stored || (std::isnan(end) && std::isnan(stored))) continue;
    const double distance = std::abs(end - stored);
    bound = std::isnan(distance) ? kAnything : std::max(bound, distance);
  }
  return bound;
}

std::vector<double> numbers_of(DType dtype, const std::byte* elements, std::int64_t count) {
  std::vector<double> numbers(static_cast<std::size_t>(count));
  if (is_float(dtype) || is_block(dtype)) {
    if (count > 0) dequantize(dtype, elements, numbers.data(), count);
    return numbers;
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::uint64_t bits = load_element(dtype, elements, i);
    if (dtype == DType::i64)
      numbers[i] = static_cast<double>(static_cast<std::int64_t>(bits));
    else if (is_signed_int(dtype))
      numbers[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(bits));
    else
      numbers[i] = static_cast<double>(bits);
  }
  return numbers;
}

std::vector<double> numbers_of(const Tensor& tensor) {
  return numbers_of(tensor.dtype(), tensor.bytes().data(), tensor.count());
}

double roundings_of_sum(std::int64_t n) {
  const auto terms = static_cast<double>(n);
  return std::min(terms, 8 * std::sqrt(terms));
}

}  // namespace openinfer::check
