// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/scalar_eval.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include "lib/base/fail.h"
#include "lib/ops/convert.h"
#include "lib/ops/power.h"
#include "lib/ops/rounding.h"

namespace openinfer {
namespace {

constexpr std::size_t kBatch = 128;  // values of a column that are computed before the next step
using Bits = std::uint64_t;

template <class C>
Bits bits_of(C value) {
  if constexpr (std::is_same_v<C, float>)
    return std::bit_cast<std::uint32_t>(value);
  else if constexpr (std::is_same_v<C, double>)
    return std::bit_cast<Bits>(value);
  else if constexpr (std::is_same_v<C, bool>)
    return value;
  else
    return static_cast<std::make_unsigned_t<decltype(value.value)>>(value.value);
}
template <class C>
C decode(Bits bits) {
  if constexpr (std::is_same_v<C, float>)
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  else if constexpr (std::is_same_v<C, double>)
    return std::bit_cast<double>(bits);
  else if constexpr (std::is_same_v<C, bool>)
    return bits != 0;
  else
    return C::of(bits);
}

/// f(Tag<C>{}) with the type that a kind is computed in, if `kSet` has it.
template <DTypeSet kSet, class F>
void with_kind(ScalarKind kind, F f) {
  switch (kind) {
    case ScalarKind::boolean:
      if constexpr (kSet & kBool) return f(Tag<bool>{});
      break;
    case ScalarKind::i32:
      if constexpr (kSet & kSigned) return f(Tag<Wrapping<std::int32_t>>{});
      break;
    case ScalarKind::u32:
      if constexpr (kSet & kUnsigned) return f(Tag<Wrapping<std::uint32_t>>{});
      break;
    case ScalarKind::i64:
      if constexpr (kSet & kSigned) return f(Tag<Wrapping<std::int64_t>>{});
      break;
    case ScalarKind::u64:
      if constexpr (kSet & kUnsigned) return f(Tag<Wrapping<std::uint64_t>>{});
      break;
    case ScalarKind::f32:
      if constexpr (kSet & kFloats) return f(Tag<float>{});
      break;
    case ScalarKind::f64:
      if constexpr (kSet & kFloats) return f(Tag<double>{});
      break;
    case ScalarKind::literal: break;
  }
  fail(ErrorCode::internal, "[scalar] an expression of {} was not checked", name(kind));
}

struct Columns {
  const Bits* in[3] = {};
  Bits* out = nullptr;
  std::size_t count = 0;
};

template <DTypeSet kSet, class F>
void map1(ScalarKind kind, const Columns& c, F f) {
  with_kind<kSet>(kind, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    for (std::size_t i = 0; i < c.count; ++i) c.out[i] = bits_of(f(decode<C>(c.in[0][i])));
  });
}
template <DTypeSet kSet, class F>
void map2(ScalarKind kind, const Columns& c, F f) {
  with_kind<kSet>(kind, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    for (std::size_t i = 0; i < c.count; ++i) c.out[i] = bits_of(f(decode<C>(c.in[0][i]), decode<C>(c.in[1][i])));
  });
}

void run_fma(ScalarKind kind, const Columns& c) {
  with_kind<kFloats>(kind, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    for (std::size_t i = 0; i < c.count; ++i)
      c.out[i] = bits_of(std::fma(decode<C>(c.in[0][i]), decode<C>(c.in[1][i]), decode<C>(c.in[2][i])));
  });
}

template <class C>
Wrapping<C> shift(ScalarOp op, Wrapping<C> a, Wrapping<C> amount) {
  const auto by = static_cast<unsigned>(amount.value);
  if (by >= sizeof(C) * 8)
    fail(ErrorCode::invalid_argument, "[scalar] a shift of {} bits by {}; the amount must be below", sizeof(C) * 8, by);
  if (op == ScalarOp::shift_left) return Wrapping<C>::of(a.bits() << by);
  return {static_cast<C>(a.value >> by)};
}

template <class C>
C quotient_of(C a, C b) {
  if constexpr (!std::is_floating_point_v<C>) {
    using T = decltype(a.value);
    const bool beyond = std::is_signed_v<T> && a.value == std::numeric_limits<T>::min() && b == -C{1};
    if (b == C{} || beyond)
      fail(ErrorCode::invalid_argument, "[scalar] {} / {}: no machine divides that; select another divisor", a.value,
           b.value);
  }
  return a / b;
}

/// Elements in memory as convert.h wants them, for the kinds.
template <class C>
auto raw(C value) {
  if constexpr (std::is_floating_point_v<C>)
    return value;
  else if constexpr (std::is_same_v<C, bool>)
    return Byte01{value};
  else
    return value.value;
}
void run_convert(ScalarKind from, ScalarKind to, const Columns& c) {
  with_kind<kPlain>(to, [&](auto target) {
    using To = typename decltype(target)::Type;
    using Memory = decltype(raw(To{}));
    map1<kPlain>(from, c, [](auto x) { return Element<Memory>::load(convert<Memory>(raw(x))); });
  });
}

template <class F>
void call(ScalarKind kind, const Columns& c, F f) {
  map1<kFloats>(kind, c, f);
}
using Function = void (*)(ScalarKind, const Columns&);
Function function_named(std::string_view name) {
  if (name == "exp") return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return std::exp(x); }); };
  if (name == "log") return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return std::log(x); }); };
  if (name == "sqrt") return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return std::sqrt(x); }); };
  if (name == "sin") return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return std::sin(x); }); };
  if (name == "cos") return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return std::cos(x); }); };
  if (name == "tanh") return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return std::tanh(x); }); };
  if (name == "erf") return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return std::erf(x); }); };
  if (name == "log1p") return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return std::log1p(x); }); };
  if (name == "expm1") return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return std::expm1(x); }); };
  if (name == "pow")
    return [](ScalarKind k, const Columns& c) { map2<kFloats>(k, c, [](auto a, auto b) { return power(a, b); }); };
  if (name == "rsqrt")
    return [](ScalarKind k, const Columns& c) { call(k, c, [](auto x) { return decltype(x)(1) / std::sqrt(x); }); };
  fail(ErrorCode::not_found, "[scalar] there is no std:: function '{}'; inline its definition first", name);
}

void run_step(const ScalarProgram::Step& step, const Columns& c) {
  const ScalarKind kind = step.of;
  const ScalarOp op = step.node.op();
  switch (op) {
    case ScalarOp::parameter: break;
    case ScalarOp::constant: std::fill_n(c.out, c.count, step.node.bits()); break;
    case ScalarOp::neg: return map1<kNumbers>(kind, c, [](auto x) { return -x; });
    case ScalarOp::abs:
      return map1<kNumbers>(kind, c, [](auto x) {
        using std::abs;
        return abs(x);
      });
    case ScalarOp::add: return map2<kNumbers>(kind, c, [](auto a, auto b) { return a + b; });
    case ScalarOp::sub: return map2<kNumbers>(kind, c, [](auto a, auto b) { return a - b; });
    case ScalarOp::mul: return map2<kNumbers>(kind, c, [](auto a, auto b) { return a * b; });
    case ScalarOp::div: return map2<kNumbers>(kind, c, [](auto a, auto b) { return quotient_of(a, b); });
    case ScalarOp::eq: return map2<kPlain>(kind, c, [](auto a, auto b) { return a == b; });
    case ScalarOp::ne: return map2<kPlain>(kind, c, [](auto a, auto b) { return a != b; });
    case ScalarOp::lt: return map2<kNumbers>(kind, c, [](auto a, auto b) { return a < b; });
    case ScalarOp::le: return map2<kNumbers>(kind, c, [](auto a, auto b) { return a <= b; });
    case ScalarOp::gt: return map2<kNumbers>(kind, c, [](auto a, auto b) { return a > b; });
    case ScalarOp::ge: return map2<kNumbers>(kind, c, [](auto a, auto b) { return a >= b; });
    case ScalarOp::logical_not: return map1<kBool>(kind, c, [](bool a) { return !a; });
    case ScalarOp::logical_and: return map2<kBool>(kind, c, [](bool a, bool b) { return a && b; });
    case ScalarOp::logical_or: return map2<kBool>(kind, c, [](bool a, bool b) { return a || b; });
    case ScalarOp::bit_not: return map1<kIntegers>(kind, c, [](auto a) { return ~a; });
    case ScalarOp::bit_and: return map2<kIntegers>(kind, c, [](auto a, auto b) { return a & b; });
    case ScalarOp::bit_or: return map2<kIntegers>(kind, c, [](auto a, auto b) { return a | b; });
    case ScalarOp::bit_xor:
      return map2<kIntegers>(kind, c, [](auto a, auto b) { return decltype(a)::of(a.bits() ^ b.bits()); });
    case ScalarOp::shift_left:
    case ScalarOp::shift_right:
      return map2<kIntegers>(kind, c, [op](auto a, auto amount) { return shift(op, a, amount); });
    case ScalarOp::select:
      for (std::size_t i = 0; i < c.count; ++i) c.out[i] = c.in[0][i] ? c.in[1][i] : c.in[2][i];
      break;
    case ScalarOp::convert: return run_convert(kind, step.node.kind(), c);
    case ScalarOp::bit_cast: std::copy_n(c.in[0], c.count, c.out); break;
    case ScalarOp::floor: return map1<kFloats>(kind, c, [](auto x) { return std::floor(x); });
    case ScalarOp::round_even: return map1<kFloats>(kind, c, [](auto x) { return scalar::round_even(x); });
    case ScalarOp::fma: return run_fma(kind, c);
    case ScalarOp::narrow:
      for (std::size_t i = 0; i < c.count; ++i) {
        std::byte element[8];
        store_element(step.node.dtype(), element, 0, c.in[0][i]);
        c.out[i] = load_element(step.node.dtype(), element, 0);
      }
      break;
    case ScalarOp::call: return function_named(step.node.name())(kind, c);
  }
}

class Compiler {
 public:
  Compiler(std::span<const ScalarExpr> parameters, std::vector<ScalarProgram::Step>& steps)
      : parameters_(parameters), steps_(steps) {}

  std::size_t place(const ScalarExpr& e) {
    if (const auto found = places_.find(e.id()); found != places_.end()) return found->second;
    if (e.kind() == ScalarKind::literal)
      fail(ErrorCode::dtype_mismatch, "[scalar] {} has no kind; give it one with as()", to_string(e));
    ScalarProgram::Step step{e, e.kind(), {}};
    for (const ScalarExpr& o : e.operands()) step.operands.push_back(place(o));
    if (!e.operands().empty()) step.of = e.operands().front().kind();
    if (e.op() == ScalarOp::parameter) step.column = column(e);
    if (e.op() == ScalarOp::call) (void)function_named(e.name());
    steps_.push_back(std::move(step));
    return places_[e.id()] = steps_.size() - 1;
  }

 private:
  std::size_t column(const ScalarExpr& e) const {
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      if (parameters_[i].id() == e.id()) return i;
    fail(ErrorCode::invalid_argument, "[scalar] no value is given for the parameter {}", e.name());
  }

  std::span<const ScalarExpr> parameters_;
  std::vector<ScalarProgram::Step>& steps_;
  std::map<const void*, std::size_t> places_;
};

}  // namespace

ScalarProgram::ScalarProgram(const ScalarExpr& e, std::span<const ScalarExpr> parameters) {
  Compiler(parameters, steps_).place(e);
}

void ScalarProgram::run(std::span<const std::uint64_t* const> columns, std::uint64_t* out, std::size_t count) const {
  std::vector<Bits> values(steps_.size() * kBatch);
  for (std::size_t first = 0; first < count; first += kBatch) {
    const std::size_t n = std::min(kBatch, count - first);
    for (std::size_t s = 0; s < steps_.size(); ++s) {
      const Step& step = steps_[s];
      Columns c{.out = &values[s * kBatch], .count = n};
      for (std::size_t i = 0; i < step.operands.size(); ++i) c.in[i] = &values[step.operands[i] * kBatch];
      if (step.node.op() == ScalarOp::parameter)
        std::copy_n(columns[step.column] + first, n, c.out);
      else
        run_step(step, c);
    }
    std::copy_n(&values[(steps_.size() - 1) * kBatch], n, out + first);
  }
}

std::uint64_t ScalarProgram::run(std::span<const std::uint64_t> values) const {
  std::vector<const std::uint64_t*> columns;
  for (const std::uint64_t& v : values) columns.push_back(&v);
  std::uint64_t out = 0;
  run(columns, &out, 1);
  return out;
}

std::size_t ScalarProgram::operations() const {
  return static_cast<std::size_t>(std::count_if(steps_.begin(), steps_.end(), [](const Step& step) {
    return step.node.op() != ScalarOp::parameter && step.node.op() != ScalarOp::constant;
  }));
}

std::uint64_t load_element(DType dtype, const std::byte* elements, std::size_t i) {
  std::uint64_t bits = 0;
  if (is_float8(dtype)) dtype = DType::u8;
  dispatch<kPlain>(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const auto value = Element<T>::load(reinterpret_cast<const T*>(elements)[i]);
    if constexpr (std::integral<T>)  // to 32 bits at least, with the sign
      bits = compute_kind(dtype) == ScalarKind::i32 ? value.bits() & 0xffffffffu : bits_of(value);
    else
      bits = bits_of(value);
  });
  return bits;
}

void store_element(DType dtype, std::byte* elements, std::size_t i, std::uint64_t bits) {
  if (is_float8(dtype)) dtype = DType::u8;
  dispatch<kPlain>(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    reinterpret_cast<T*>(elements)[i] = Element<T>::store(decode<ComputeOf<T>>(bits));
  });
}

}  // namespace openinfer
