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
/// What is no smaller rounds to infinity in f32: the middle between its largest number and 2^128.
constexpr double kOverflow = 0x1.ffffffp127;
/// Of an f64 result: our own arithmetic is in f64 too and rounds as well.
constexpr double kOwnRounding = 0x1p-52;

/// One number on its way through an expression. `value ± error`, and `pending` units of |value| for the roundings of
/// the operation that made it. Infinities and NaN are as Bounded has them.
struct Approximate {
  double value = 0, error = 0, pending = 0;
};

double unit_of(ScalarKind kind) {
  if (kind == ScalarKind::f32) return 0x1p-24;
  return kind == ScalarKind::f64 ? 0x1p-53 + kOwnRounding : 0;
}

double limited(double error) { return std::isnan(error) ? kAnything : error; }
/// 0 of two infinities, or two NaN.
double distance(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)) ? 0 : std::abs(a - b); }

/// What the next operation sees: the operation's own roundings have happened.
Approximate settled(const Approximate& n, ScalarKind kind) {
  if (!std::isfinite(n.value)) return {n.value, n.error, 0};
  const double added = n.pending * unit_of(kind) * (std::abs(n.value) + n.error);
  const double error = limited(n.error + (n.pending > 0 ? added : 0)), least = std::abs(n.value) - error;
  if (kind != ScalarKind::f32 || std::abs(n.value) + error < kOverflow) return {n.value, error, 0};
  if (!(least > 0)) return {n.value, kAnything, 0};
  return {std::copysign(kAnything, n.value), least < kOverflow ? least : 0, 0};
}

bool is_open_ended(const Approximate& n) { return check::is_open_ended(n.value, n.error); }
double low(const Approximate& n) { return is_open_ended(n) && n.value > 0 ? n.error : n.value - n.error; }
double high(const Approximate& n) { return is_open_ended(n) && n.value < 0 ? -n.error : n.value + n.error; }

/// f is monotone: the ends of the interval bound it.
template <class F>
Approximate monotone(const Approximate& a, const F& f, double pending) {
  const double middle = f(a.value);
  if (a.error == 0) return {middle, 0, pending};
  if (std::isnan(a.value) || std::isinf(a.error)) return {middle, kAnything, pending};
  const double low = f(a.value - a.error), high = f(a.value + a.error);
  return {middle, std::max(limited(distance(low, middle)), limited(distance(high, middle))), pending};
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// a^b: for positive a its extremes are at the corners; for negative a it is monotone if b is whole, else NaN.
Approximate power(const Approximate& a, const Approximate& b, double pending) {
  const double middle = std::pow(a.value, b.value);
  if (a.error == 0 && b.error == 0) return {middle, 0, pending};
  if (b.error == 0 && a.error < std::abs(a.value))
    return monotone(
        a, [&](double x) { return std::pow(x, b.value); }, pending);
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
  const bool has_sign = a.error < std::abs(a.value);
  if (std::isinf(value) && has_sign && (b.error == 0 || b.error < std::abs(b.value))) return {value, 0, 0};
  if (b.error >= std::abs(b.value)) return {value, kAnything, 0};
  return {value, limited((a.error + std::abs(value) * b.error) / (std::abs(b.value) - b.error)), kRoundings};
}

Approximate whole_quotient(const Approximate& a, const Approximate& b) {
  return {std::trunc(a.value / b.value), a.error == 0 && b.error == 0 ? 0 : kAnything, 0};
}

/// A comparison of numbers that are closer than their errors may come out either way.
Approximate compared(ScalarOp op, const Approximate& a, const Approximate& b) {
  const double x = a.value, y = b.value;
  const bool yes = op == ScalarOp::eq   ? x == y
                   : op == ScalarOp::ne ? x != y
                   : op == ScalarOp::lt ? x < y
                   : op == ScalarOp::le ? x <= y
                   : op == ScalarOp::gt ? x > y
                                        : x >= y;
  const bool unordered = (std::isnan(x) && a.error == 0) || (std::isnan(y) && b.error == 0);
  const bool exact = a.error == 0 && b.error == 0;
  const bool open = !exact && !unordered && !(high(a) < low(b) || high(b) < low(a));
  return {yes ? 1.0 : 0.0, open ? 1.0 : 0.0, 0};
}

Approximate selected(const Approximate& condition, const Approximate& a, const Approximate& b) {
  const Approximate &taken = condition.value != 0 ? a : b, &other = condition.value != 0 ? b : a;
  if (condition.error == 0) return taken;
  if (is_open_ended(taken) || is_open_ended(other)) return {taken.value, kAnything, 0};
  return {taken.value, std::max(taken.error, limited(distance(other.value, taken.value) + other.error)), 0};
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

/// Of an operand that is NaN for certain nothing but NaN is made, by arithmetic and by functions of one operand.
bool keeps_nan(const ScalarExpr& e, const std::vector<Approximate>& o) {
  const bool arithmetic = e.op() == ScalarOp::add || e.op() == ScalarOp::sub || e.op() == ScalarOp::mul ||
                          e.op() == ScalarOp::div || e.op() == ScalarOp::fma || e.op() == ScalarOp::call;
  return arithmetic && is_float(e.kind()) && !(e.op() == ScalarOp::call && o.size() > 1) &&
         std::any_of(o.begin(), o.end(), [](const Approximate& n) { return std::isnan(n.value) && n.error == 0; });
}

/// What does not look at how large a number is, or for which an infinity is one like others.
bool takes_open_ends(ScalarOp op) {
  return op == ScalarOp::neg || op == ScalarOp::abs || op == ScalarOp::select || op == ScalarOp::eq ||
         op == ScalarOp::ne || op == ScalarOp::lt || op == ScalarOp::le || op == ScalarOp::gt || op == ScalarOp::ge;
}

Approximate numbers_made_by(const ScalarExpr& e, const std::vector<Approximate>& o) {
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

Approximate made_by(const ScalarExpr& e, const std::vector<Approximate>& o) {
  if (keeps_nan(e, o)) return {std::nan(""), 0, 0};
  Approximate made = numbers_made_by(e, o);
  if (takes_open_ends(e.op())) return made;
  if (std::any_of(o.begin(), o.end(), is_open_ended)) return {made.value, kAnything, 0};
  if (!std::isfinite(made.value) && std::isfinite(made.error)) made.error = 0;
  return made;
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
      if (may_be_fused(steps_[i], made, operands)) made[i].error = kAnything;
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
  /// A product that overflows may be fused with the sum that takes it, and be a number there.
  bool may_be_fused(const Step& step, const std::vector<Approximate>& made,
                    const std::vector<Approximate>& operands) const {
    if (step.node.op() != ScalarOp::add && step.node.op() != ScalarOp::sub) return false;
    const auto overflows = [&](std::size_t o) {
      const std::size_t from = step.operands[o];
      return std::isinf(operands[o].value) && std::isfinite(made[from].value) &&
             steps_[from].node.op() == ScalarOp::mul;
    };
    if (!overflows(0) && !overflows(1)) return false;
    std::vector<Approximate> exact = operands;
    for (const std::size_t o : {0u, 1u})
      if (overflows(o)) exact[o] = made[step.operands[o]];
    const Approximate apart = settled(made_by(step.node, operands), step.node.kind());
    const Approximate fused = settled(made_by(step.node, exact), step.node.kind());
    return fused.error != 0 || distance(fused.value, apart.value) != 0;
  }
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
