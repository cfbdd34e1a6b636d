// SPDX-License-Identifier: Apache-2.0
#include "openinfer/dim.h"

#include <algorithm>
#include <numeric>

#include "lib/base/checked.h"
#include "lib/base/size_product.h"

namespace openinfer {
namespace {

// Affine expressions stay below 2^62, so that sums of two never overflow where they are compared.
std::int64_t in_range(std::int64_t value) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 62;
  if (value <= -kLimit || value >= kLimit)
    fail(ErrorCode::invalid_argument, "[dim] dimension {} is out of range: it must be between -2^62 and 2^62", value);
  return value;
}

/// The greatest common divisor of all coefficients, with the sign of the first; 0 for a zero dimension.
std::int64_t content(const Dim& d) {
  std::int64_t divisor = d.constant();
  for (const auto& t : d.terms()) divisor = std::gcd(divisor, t.factor);
  return d.is_constant() ? d.constant() : (d.terms().front().factor < 0 ? -divisor : divisor);
}

Dim divided(const Dim& d, std::int64_t divisor) {
  Dim result = d.constant() / divisor;
  for (const auto& t : d.terms()) result = result.plus(Dim::symbol(t.symbol).times(t.factor / divisor));
  return result;
}

/// The errors of what users write carry their line.
template <class F>
Dim at_line(Location at, F f) {
  try {
    return f();
  } catch (const Error& e) {
    throw Error(e.code(), "[dim] " + e.message(), at);
  }
}

}  // namespace

Dim Dim::symbol(std::string_view name) {
  Dim d;
  d.terms_.push_back({std::string(name), 1});
  return d;
}

std::optional<std::int64_t> Dim::value(
    const std::function<std::optional<std::int64_t>(std::string_view)>& bound) const {
  std::int64_t sum = constant_;
  for (const Term& t : terms_) {
    const auto value = bound(t.symbol);
    if (!value) return std::nullopt;
    sum = checked_add(sum, checked_multiply(t.factor, *value));
  }
  return sum;
}

Dim Dim::plus(const Dim& other) const {
  const Dim &a = *this, &b = other;
  Dim sum;
  sum.constant_ = in_range(checked_add(a.constant_, b.constant_));
  auto i = a.terms_.begin();
  auto j = b.terms_.begin();
  while (i != a.terms_.end() || j != b.terms_.end()) {
    if (j == b.terms_.end() || (i != a.terms_.end() && i->symbol < j->symbol)) {
      sum.terms_.push_back(*i++);
    } else if (i == a.terms_.end() || j->symbol < i->symbol) {
      sum.terms_.push_back(*j++);
    } else {
      const std::int64_t factor = in_range(checked_add(i->factor, j->factor));
      if (factor != 0) sum.terms_.push_back({i->symbol, factor});
      ++i, ++j;
    }
  }
  return sum;
}

Dim Dim::times(std::int64_t k) const {
  Dim product;
  if (k == 0) return product;
  product.constant_ = in_range(checked_multiply(constant_, k));
  for (const auto& t : terms_) product.terms_.push_back({t.symbol, in_range(checked_multiply(t.factor, k))});
  return product;
}

Dim operator+(const Dim& a, const DimIn& b) {
  return at_line(b.at, [&] { return a.plus(b.dim); });
}
Dim operator-(const Dim& a, const DimIn& b) {
  return at_line(b.at, [&] { return a.plus(b.dim.times(-1)); });
}
Dim operator*(const Dim& a, const FactorIn& k) {
  return at_line(k.at, [&] { return a.times(k.factor); });
}
Dim operator*(std::int64_t k, const DimIn& a) {
  return at_line(a.at, [&] { return a.dim.times(k); });
}

std::string Dim::to_string() const {
  std::string text;
  const auto append = [&](std::int64_t factor, const std::string& symbol) {
    const std::int64_t magnitude = factor < 0 ? -factor : factor;
    text += text.empty() ? (factor < 0 ? "-" : "") : (factor < 0 ? " - " : " + ");
    if (symbol.empty())
      text += std::to_string(magnitude);
    else
      text += magnitude == 1 ? symbol : fmt::format("{}*{}", magnitude, symbol);
  };
  for (const Term& t : terms_) append(t.factor, t.symbol);
  if (constant_ != 0 || terms_.empty()) append(constant_, "");
  return text;
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + shape[i].to_string();
  return text + ")";
}

std::string TensorType::to_string() const {
  std::string dims = openinfer::to_string(shape);
  dims.front() = '[', dims.back() = ']';
  return std::string(name(dtype)) + dims;
}

SizeProduct size_product(const Shape& shape) {
  SizeProduct p;
  if (std::find(shape.begin(), shape.end(), Dim(0)) != shape.end()) return {0, {}};
  for (const Dim& d : shape) {
    const std::int64_t c = content(d);
    p.number = checked_multiply(p.number, c);
    if (!d.is_constant()) p.symbols.push_back(divided(d, c));
  }
  std::sort(p.symbols.begin(), p.symbols.end(),
            [](const Dim& a, const Dim& b) { return a.to_string() < b.to_string(); });
  return p;
}

bool same_size(const Shape& a, const Shape& b) { return size_product(a) == size_product(b); }

}  // namespace openinfer
