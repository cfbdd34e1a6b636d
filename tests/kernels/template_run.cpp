// SPDX-License-Identifier: Apache-2.0
#include "template_run.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "codegen/kernel_ir/scalar_ops.h"
#include "tests/sanitizers.h"

namespace openinfer::kernels {

bool is_looked_at(DType dtype) {
  const bool is_like_another =
      dtype == DType::q4_0 || dtype == DType::q5_0 || dtype == DType::q5_1 || dtype == DType::q5_k;
  return kFewer == 1 || !is_like_another;
}

Data::Data(DType dtype, const std::vector<double>& values) : Data(dtype, static_cast<std::int64_t>(values.size())) {
  for (std::size_t i = 0; i < values.size(); ++i) set(static_cast<std::int64_t>(i), values[i]);
}

namespace {

double number_at(kir::Kind memory, const std::byte* at) {
  const kir::Kind kind = kir::info(memory).in_register;
  const kir::Bits bits = kir::load_bits(memory, at);
  const auto low = static_cast<std::uint32_t>(bits);
  if (kind == kir::Kind::f32) return std::bit_cast<float>(low);
  if (kind == kir::Kind::f64) return std::bit_cast<double>(bits);
  if (kind == kir::Kind::i32) return std::bit_cast<std::int32_t>(low);
  if (kind == kir::Kind::i64) return static_cast<double>(static_cast<std::int64_t>(bits));
  return static_cast<double>(bits);
}

}  // namespace

double Data::operator[](std::int64_t i) const { return number_at(memory_kind(dtype_), bytes_.data() + i * width()); }

void Data::set(std::int64_t i, double value) {
  const kir::Kind memory = memory_kind(dtype_), kind = kir::info(memory).in_register;
  kir::Bits bits = 0;
  if (kind == kir::Kind::f64)
    bits = std::bit_cast<kir::Bits>(value);
  else if (kind == kir::Kind::f32)
    bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  else
    bits = static_cast<kir::Bits>(static_cast<std::int64_t>(value));
  kir::store_bits(memory, bytes_.data() + i * width(), bits);
}

std::vector<double> Data::values() const {
  std::vector<double> all(static_cast<std::size_t>(count()));
  const kir::Kind memory = memory_kind(dtype_);
  const std::byte* from = bytes_.data();
  for (double& value : all) {  // of thousands of buffers, unoptimised: no more per element than this
    value = number_at(memory, from);
    from += width();
  }
  return all;
}

bool Data::has_nan() const {
  if (!is_float(dtype_)) return false;
  const std::vector<double> all = values();
  return std::any_of(all.begin(), all.end(), [](double x) { return std::isnan(x); });
}

bool Data::same_bits(const Data& other) const {
  if (bytes_.size() != other.bytes_.size()) return false;
  return bytes_.empty() || std::memcmp(bytes_.data(), other.bytes_.data(), bytes_.size()) == 0;
}

std::vector<double> noise(std::int64_t count, std::uint32_t seed) {
  std::vector<double> values;
  std::uint32_t state = seed * 2654435761u + 12345u;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' linear congruence
    values.push_back(static_cast<double>(state >> 8) / (1 << 23) - 1);
  }
  return values;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double d = std::abs(a[i] - b[i]);
    if (std::isnan(d)) return INFINITY;
    worst = std::max(worst, d);
  }
  return worst;
}

double rounding(DType dtype) {
  if (dtype == DType::bf16) return 0x1p-8;
  if (dtype == DType::f16) return 0x1p-11;
  return dtype == DType::f64 ? 0x1p-53 : 0x1p-24;
}

}  // namespace openinfer::kernels
