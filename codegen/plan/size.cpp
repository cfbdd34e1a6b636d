// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/size.h"

#include <algorithm>

#include "lib/base/fail.h"

namespace openinfer::plan {
namespace {

std::int64_t times(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > (std::int64_t{1} << 62) || product < -(std::int64_t{1} << 62))
    fail(ErrorCode::invalid_argument, "[plan] {} * {} elements are beyond 62 bits", a, b);
  return product;
}

}  // namespace

Size::Size(const Dim& dim) {
  if (dim.is_constant())
    constant_ = dim.constant();
  else
    factors_.push_back(dim);
}

Size Size::count(const Shape& shape) {
  Size size;
  for (const Dim& d : shape) size = size * Size(d);
  return size;
}

Size operator*(Size a, const Size& b) {
  a.constant_ = times(a.constant_, b.constant_);
  a.factors_.insert(a.factors_.end(), b.factors_.begin(), b.factors_.end());
  if (a.constant_ == 0) a.factors_.clear();
  std::stable_sort(a.factors_.begin(), a.factors_.end(),
                   [](const Dim& x, const Dim& y) { return x.to_string() < y.to_string(); });
  return a;
}

std::int64_t Size::value(const std::function<std::int64_t(std::string_view)>& bound) const {
  std::int64_t value = constant_;
  for (const Dim& d : factors_) value = times(value, *d.value(bound));
  return value;
}

std::string text(const Dim& dim, const std::function<std::string(std::string_view)>& name) {
  std::string text;
  for (const Dim::Term& t : dim.terms()) {
    const std::int64_t factor = text.empty() || t.factor > 0 ? t.factor : -t.factor;
    if (!text.empty()) text += t.factor > 0 ? " + " : " - ";
    if (factor != 1) text += fmt::format("{} * ", factor);
    text += name(t.symbol);
  }
  if (text.empty()) return fmt::format("{}", dim.constant());
  if (dim.constant() > 0) text += fmt::format(" + {}", dim.constant());
  if (dim.constant() < 0) text += fmt::format(" - {}", -dim.constant());
  return text;
}

std::string Size::text(const std::function<std::string(std::string_view)>& name) const {
  std::string product;
  for (const Dim& d : factors_) {
    const std::string factor = plan::text(d, name);
    const bool sum = d.terms().size() > 1 || d.constant() != 0;
    if (!product.empty()) product += " * ";
    product += sum ? "(" + factor + ")" : factor;
  }
  if (product.empty()) return fmt::format("{}", constant_);
  if (constant_ == 1 && factors_.size() == 1) return plan::text(factors_[0], name);
  return constant_ == 1 ? product : product + fmt::format(" * {}", constant_);
}

std::string Size::text() const {
  return text([](std::string_view symbol) { return std::string(symbol); });
}

std::string lone_symbol(const Dim& dim) {
  const auto& terms = dim.terms();
  return terms.size() == 1 && terms[0].factor == 1 && dim.constant() == 0 ? terms[0].symbol : "";
}

}  // namespace openinfer::plan
