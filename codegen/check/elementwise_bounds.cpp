// SPDX-License-Identifier: Apache-2.0
#include "codegen/check/elementwise_bounds.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "codegen/kernels/scalar_functions.h"
#include "lib/base/fail.h"

namespace openinfer::check {
namespace {

constexpr double kAnything = std::numeric_limits<double>::infinity();
/// Of an f64 result: our own arithmetic is in f64 too and rounds as well.
constexpr double kOwnRounding = 0x1p-52;

/// One number on its way through an expression. `value ± error`, and `pending` units of |value| for the roundings of
/// the operation that made it.
struct Approximate {
  double value = 0, error = 0, pending = 0;
};

double unit_of(ScalarKind kind) {
  if (kind == ScalarKind::f32) return 0x1p-24;
  return kind == ScalarKind::f64 ? 0x1p-53 + kOwnRounding : 0;
}

double limited(double error) { return std::isnan(error) ? kAnything : error; }

/// What the next operation sees: the operation's own roundings have happened.
Approximate settled(const Approximate& n, ScalarKind kind) {
  const double added = n.pending * unit_of(kind) * (std::abs(n.value) + n.error);
  return {n.value, limited(n.error + (n.pending > 0 ? added : 0)), 0};
}

/// f is monotone: the ends of the interval bound it.
template <class F>
Approximate monotone(const Approximate& a, const F& f, double pending) {
  const double middle = f(a.value);
  if (a.error == 0) return {middle, 0, pending};
  if (std::isnan(a.value)) return {middle, kAnything, pending};
  const double low = f(a.value - a.error), high = f(a.value + a.error);
  return {middle, limited(std::max(std::abs(low - middle), std::abs(high - middle))), pending};
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// a^b: for positive a its extremes are at the corners.
Approximate power(const Approximate& a, const Approximate& b, double pending) {
  const double middle = std::pow(a.value, b.value);
  if (a.error == 0 && b.error == 0) return {middle, 0, pending};
  if (!(a.value > a.error)) return {middle, kAnything, pending};
  double error = 0;
  for (const double x : {a.value - a.error, a.value + a.error})
    for (const double y : {b.value - b.error, b.value + b.error})
      error = std::max(error, limited(std::abs(std::pow(x, y) - middle)));
  return {middle, error, pending};
}

/// A function's stated ULP; one ULP is at most two units.
Approximate called(const ScalarExpr& e, const std::vector<Approximate>& o) {
  const kernels::ScalarFunction* known = kernels::definition(e.name());
  const double pending = 2 * (known ? known->ulp : 2.0);
  const auto bounded_by = [&](double (*f)(double)) { return monotone(o[0], f, pending); };
  if (e.name() == "exp") return bounded_by([](double x) { return std::exp(x); });
  if (e.name() == "log") return bounded_by([](double x) { return std::log(x); });
  if (e.name() == "sqrt") return bounded_by([](double x) { return std::sqrt(x); });
  if (e.name() == "rsqrt") return bounded_by([](double x) { return 1 / std::sqrt(x); });
  if (e.name() == "tanh") return bounded_by([](double x) { return std::tanh(x); });
  if (e.name() == "erf") return bounded_by([](double x) { return std::erf(x); });
  if (e.name() == "sigmoid") return bounded_by(sigmoid);
  if (e.name() == "log1p") return bounded_by([](double x) { return std::log1p(x); });
  if (e.name() == "expm1") return bounded_by([](double x) { return std::expm1(x); });
  if (e.name() == "pow") return power(o[0], o[1], pending);
  // Their slope is at most 1.
  if (e.name() == "sin") return {std::sin(o[0].value), o[0].error, pending};
  if (e.name() == "cos") return {std::cos(o[0].value), o[0].error, pending};
  return {std::nan(""), kAnything, 0};
}

Approximate product(const Approximate& a, const Approximate& b) {
  const auto part = [](double factor, double error) { return error == 0 ? 0 : std::abs(factor) * error; };
  return {a.value * b.value, limited(part(a.value, b.error) + part(b.value, a.error) + part(a.error, b.error)), 1};
}
Approximate sum(const Approximate& a, const Approximate& b) {
  return {a.value + b.value, limited(a.error + b.error), 1};
}
Approximate negative(const Approximate& a) { return {-a.value, a.error, 0}; }

Approximate quotient(const Approximate& a, const Approximate& b) {
  const double value = a.value / b.value;
  constexpr double kRoundings = 1.6;  // 0.8 ULP, where a machine's division is loose
  if (a.error == 0 && b.error == 0) return {value, 0, kRoundings};
  if (b.error >= std::abs(b.value)) return {value, kAnything, 0};
  return {value, limited((a.error + std::abs(value) * b.error) / (std::abs(b.value) - b.error)), kRoundings};
}

Approximate whole_quotient(const Approximate& a, const Approximate& b) {
  return {std::trunc(a.value / b.value), a.error == 0 && b.error == 0 ? 0 : kAnything, 0};
}

/// A comparison of numbers that are closer than their errors may come out either way.
Approximate compared(ScalarOp op, const Approximate& a, const Approximate& b) {
  const double x = a.value, y = b.value, errors = a.error + b.error;
  const bool yes = op == ScalarOp::eq   ? x == y
                   : op == ScalarOp::ne ? x != y
                   : op == ScalarOp::lt ? x < y
                   : op == ScalarOp::le ? x <= y
                   : op == ScalarOp::gt ? x > y
                                        : x >= y;
  const bool open = errors > 0 && !(std::abs(x - y) > errors);
  return {yes ? 1.0 : 0.0, open ? 1.0 : 0.0, 0};
}

Approximate selected(const Approximate& condition, const Approximate& a, const Approximate& b) {
  const Approximate &taken = condition.value != 0 ? a : b, &other = condition.value != 0 ? b : a;
  if (condition.error == 0) return taken;
  return {taken.value, std::max(taken.error, limited(std::abs(other.value - taken.value) + other.error)), 0};
}

double towards_zero(double x, ScalarKind kind) {
  const int bits = bits_of(kind) - (is_signed_int(kind) ? 1 : 0);
  const double most = std::ldexp(1.0, bits), least = is_signed_int(kind) ? -most : 0;
  if (std::isnan(x)) return 0;
  return std::clamp(std::trunc(x), least, most - (bits < 53 ? 1 : 0));
}

Approximate converted(const Approximate& a, ScalarKind from, ScalarKind to) {
  if (to == ScalarKind::boolean) return compared(ScalarOp::ne, a, {});
  if (is_float(to)) return {a.value, a.error, to == ScalarKind::f32 && bits_of(from) > 16 && from != to ? 1.0 : 0.0};
  if (!is_float(from)) return a;  // within what both hold
  return monotone(
      a, [&](double x) { return towards_zero(x, to); }, 0);
}

Approximate narrowed(const Approximate& a, DType dtype) {
  if (openinfer::is_float(dtype))
    return monotone(
        a, [&](double x) { return rounded(dtype, x); }, 0);
  return a.error == 0 ? a : Approximate{a.value, kAnything, 0};
}

Approximate logic(ScalarOp op, const Approximate& a, const Approximate& b) {
  const bool both = op == ScalarOp::logical_and;
  const bool value = both ? a.value != 0 && b.value != 0 : a.value != 0 || b.value != 0;
  // An exact operand that decides leaves nothing open.
  const double deciding = both ? 0 : 1;
  const bool decided = (a.error == 0 && a.value == deciding) || (b.error == 0 && b.value == deciding);
  return {value ? 1.0 : 0.0, decided ? 0 : std::max(a.error, b.error), 0};
}

Approximate made_by(const ScalarExpr& e, const std::vector<Approximate>& o) {
  switch (e.op()) {
    case ScalarOp::parameter: break;
    case ScalarOp::constant: return {e.value(), 0, 0};
    case ScalarOp::neg: return negative(o[0]);
    case ScalarOp::abs: return {std::abs(o[0].value), o[0].error, 0};
    case ScalarOp::add: return sum(o[0], o[1]);
    case ScalarOp::sub: return sum(o[0], negative(o[1]));
    case ScalarOp::mul: return product(o[0], o[1]);
    case ScalarOp::div: return is_float(e.kind()) ? quotient(o[0], o[1]) : whole_quotient(o[0], o[1]);
    case ScalarOp::eq:
    case ScalarOp::ne:
    case ScalarOp::lt:
    case ScalarOp::le:
    case ScalarOp::gt:
    case ScalarOp::ge: return compared(e.op(), o[0], o[1]);
    case ScalarOp::logical_not: return {o[0].value == 0 ? 1.0 : 0.0, o[0].error, 0};
    case ScalarOp::logical_and:
    case ScalarOp::logical_or: return logic(e.op(), o[0], o[1]);
    case ScalarOp::bit_not:
    case ScalarOp::bit_and:
    case ScalarOp::bit_or:
    case ScalarOp::bit_xor:
    case ScalarOp::shift_left:
    case ScalarOp::shift_right:
    case ScalarOp::bit_cast: return {std::nan(""), kAnything, 0};
    case ScalarOp::select: return selected(o[0], o[1], o[2]);
    case ScalarOp::convert: return converted(o[0], e.operands()[0].kind(), e.kind());
    case ScalarOp::floor:
      return monotone(
          o[0], [](double x) { return std::floor(x); }, 0);
    case ScalarOp::round_even:
      return monotone(
          o[0], [](double x) { return std::nearbyint(x); }, 0);
    case ScalarOp::fma: {
      const Approximate inner = product(o[0], o[1]);
      return {std::fma(o[0].value, o[1].value, o[2].value), limited(inner.error + o[2].error), 1};
    }
    case ScalarOp::narrow: return narrowed(o[0], e.dtype());
    case ScalarOp::call: return called(e, o);
  }
  fail(ErrorCode::internal, "[check] a scalar operation without a value");
}

/// An expression as code in order: operands before their users.
class Code {
 public:
  Code(const ScalarExpr& e, const std::vector<ScalarExpr>& parameters) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      places_[parameters[i].id()] = steps_.size();
      steps_.push_back({parameters[i], {}});
    }
    inputs_ = steps_.size();
    add(e);
    result_ = places_.at(e.id());
  }

  Approximate run(const std::vector<Approximate>& given) const {
    std::vector<Approximate> made(given);
    made.resize(steps_.size());
    std::vector<Approximate> operands;
    for (std::size_t i = inputs_; i < steps_.size(); ++i) {
      operands.clear();
      for (const std::size_t o : steps_[i].operands) operands.push_back(settled(made[o], steps_[o].node.kind()));
      made[i] = made_by(steps_[i].node, operands);
    }
    const Approximate& last = made[result_];
    // One rounding of f32 to nearest is the store's; what a function is looser than that is not.
    const ScalarKind kind = steps_[result_].node.kind();
    return kind == ScalarKind::f32 && last.pending <= 1 ? Approximate{last.value, last.error, 0} : settled(last, kind);
  }

 private:
  struct Step {
    ScalarExpr node;
    std::vector<std::size_t> operands;
  };
  std::size_t add(const ScalarExpr& e) {
    if (const auto known = places_.find(e.id()); known != places_.end()) return known->second;
    Step step = {e, {}};
    for (const ScalarExpr& o : e.operands()) step.operands.push_back(add(o));
    steps_.push_back(std::move(step));
    return places_[e.id()] = steps_.size() - 1;
  }

  std::vector<Step> steps_;
  std::map<const void*, std::size_t> places_;
  std::size_t inputs_ = 0, result_ = 0;
};

}  // namespace

Bounded elementwise(const ScalarExpr& e, const std::vector<ScalarExpr>& parameters,
                    const std::vector<Bounded>& columns) {
  const Code code(e, parameters);
  Bounded result;
  const std::size_t count = columns.empty() ? 1 : columns.front().value.size();
  std::vector<Approximate> given(columns.size());
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t c = 0; c < columns.size(); ++c) given[c] = {columns[c].value[i], columns[c].error[i], 0};
    const Approximate made = code.run(given);
    result.value.push_back(made.value);
    result.error.push_back(made.error);
  }
  return result;
}

}  // namespace openinfer::check
