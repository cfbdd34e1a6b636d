// SPDX-License-Identifier: Apache-2.0
#include "openinfer/scalar_expr.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "lib/base/fail.h"

namespace openinfer {

struct ScalarExpr::Node {
  ScalarOp op;
  ScalarKind kind;
  std::vector<ScalarExpr> operands = {};
  std::string name = {};
  std::uint64_t bits = 0;
  DType dtype = DType::f32;
};

namespace {

bool is_number(ScalarKind kind) { return kind != ScalarKind::boolean; }
bool is_real(ScalarKind kind) { return is_float(kind) || kind == ScalarKind::literal; }
bool is_integer(ScalarKind kind) { return is_int(kind) || kind == ScalarKind::literal; }

/// The bit pattern of `value` in `kind`; nothing if the kind does not hold it.
bool encode(ScalarKind kind, double value, std::uint64_t& bits) {
  if (kind == ScalarKind::f64 || kind == ScalarKind::literal) return bits = std::bit_cast<std::uint64_t>(value), true;
  if (kind == ScalarKind::f32) return bits = std::bit_cast<std::uint32_t>(static_cast<float>(value)), true;
  const bool is_signed = is_signed_int(kind);
  const double limit = std::ldexp(1.0, bits_of(kind) - (is_signed ? 1 : 0));
  if (!(value >= (is_signed ? -limit : 0.0) && value < limit && value == std::trunc(value))) return false;
  bits = value < 0 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value)) : static_cast<std::uint64_t>(value);
  if (bits_of(kind) == 32) bits &= 0xffffffffu;
  return true;
}

}  // namespace

// Construction.

ScalarExpr::ScalarExpr(Node node) : node_(std::make_shared<const Node>(std::move(node))) {}
ScalarExpr::ScalarExpr(Literal literal)
    : ScalarExpr(Node{
          .op = ScalarOp::constant, .kind = ScalarKind::literal, .bits = std::bit_cast<std::uint64_t>(literal.value)}) {
}
ScalarExpr::ScalarExpr() : ScalarExpr(Literal{0}) {}

ScalarExpr ScalarExpr::parameter(std::string name, ScalarKind kind) {
  return ScalarExpr(Node{.op = ScalarOp::parameter, .kind = kind, .name = std::move(name)});
}

ScalarExpr ScalarExpr::constant(ScalarKind kind, double value) {
  std::uint64_t bits = 0;
  if (!encode(kind, value, bits))
    fail(ErrorCode::invalid_argument, "[scalar] {} is no value of {}", value, openinfer::name(kind));
  return from_bits(kind, bits);
}

ScalarExpr ScalarExpr::from_bits(ScalarKind kind, std::uint64_t bits) {
  const int count = bits_of(kind);
  const bool whole = count == 64 || count == 0;
  return ScalarExpr(
      Node{.op = ScalarOp::constant, .kind = kind, .bits = whole ? bits : bits & ((std::uint64_t{1} << count) - 1)});
}

namespace {
/// Gives literals the kind of the operands that have one.
void unify(std::vector<ScalarExpr>& operands, std::string_view what) {
  ScalarKind kind = ScalarKind::literal;
  for (const ScalarExpr& o : operands)
    if (kind == ScalarKind::literal) kind = o.kind();
  for (ScalarExpr& o : operands) {
    if (o.kind() != kind && o.kind() != ScalarKind::literal)
      fail(ErrorCode::dtype_mismatch, "[scalar] {} takes values of one kind, not {} {} and {} {}; convert one", what,
           name(kind), to_string(operands.front()), name(o.kind()), to_string(o));
    o = o.as(kind);
  }
}

void check_kind(ScalarOp op, const ScalarExpr& a, bool taken) {
  if (!taken)
    fail(ErrorCode::dtype_mismatch, "[scalar] {} does not take {} {}", name(op), name(a.kind()), to_string(a));
}
}  // namespace

ScalarExpr ScalarExpr::call(std::string name, std::vector<ScalarExpr> operands) {
  unify(operands, name);
  if (operands.empty()) fail(ErrorCode::invalid_argument, "[scalar] {}() has no operands to take its kind from", name);
  const ScalarKind kind = operands.front().kind();
  return ScalarExpr(Node{.op = ScalarOp::call, .kind = kind, .operands = std::move(operands), .name = std::move(name)});
}

ScalarExpr ScalarExpr::unary(ScalarOp op, const ScalarExpr& a) {
  return ScalarExpr(Node{.op = op, .kind = a.kind(), .operands = {a}});
}

ScalarExpr ScalarExpr::binary(ScalarOp op, const ScalarExpr& a, const ScalarExpr& b) {
  std::vector<ScalarExpr> operands = {a, b};
  unify(operands, openinfer::name(op));
  const ScalarKind kind = operands[0].kind();
  return ScalarExpr(Node{.op = op, .kind = kind, .operands = std::move(operands)});
}

ScalarExpr ScalarExpr::comparison(ScalarOp op, const ScalarExpr& a, const ScalarExpr& b) {
  std::vector<ScalarExpr> operands = {a, b};
  unify(operands, openinfer::name(op));
  check_kind(op, operands[0], operands[0].kind() != ScalarKind::literal);
  return ScalarExpr(Node{.op = op, .kind = ScalarKind::boolean, .operands = std::move(operands)});
}

ScalarExpr ScalarExpr::function(const char* name, const ScalarExpr& a) {
  if (!is_real(a.kind()))
    fail(ErrorCode::dtype_mismatch, "[scalar] {} does not take {} {}", name, openinfer::name(a.kind()), to_string(a));
  return call(name, {a});
}

// Access.

ScalarOp ScalarExpr::op() const { return node_->op; }
ScalarKind ScalarExpr::kind() const { return node_->kind; }
std::span<const ScalarExpr> ScalarExpr::operands() const { return node_->operands; }
const std::string& ScalarExpr::name() const { return node_->name; }
std::uint64_t ScalarExpr::bits() const { return node_->bits; }
DType ScalarExpr::dtype() const { return node_->dtype; }

double ScalarExpr::value() const {
  switch (kind()) {
    case ScalarKind::literal:
    case ScalarKind::f64: return std::bit_cast<double>(bits());
    case ScalarKind::f32: return std::bit_cast<float>(static_cast<std::uint32_t>(bits()));
    case ScalarKind::i32: return static_cast<std::int32_t>(bits());
    case ScalarKind::i64: return static_cast<double>(static_cast<std::int64_t>(bits()));
    case ScalarKind::u32:
    case ScalarKind::u64:
    case ScalarKind::boolean: return static_cast<double>(bits());
  }
  return 0;
}

ScalarExpr ScalarExpr::named(std::string hint) const {
  if (op() == ScalarOp::parameter || op() == ScalarOp::call)
    fail(ErrorCode::invalid_argument, "[scalar] {} has a name already and cannot be called {}", name(), hint);
  Node copy = *node_;
  copy.name = std::move(hint);
  return ScalarExpr(std::move(copy));
}

ScalarExpr ScalarExpr::as(ScalarKind kind) const {
  if (kind == this->kind()) return *this;
  if (this->kind() != ScalarKind::literal)
    fail(ErrorCode::dtype_mismatch, "[scalar] {} is {}, not {}; convert it", to_string(*this),
         openinfer::name(this->kind()), openinfer::name(kind));
  if (op() == ScalarOp::constant) return constant(kind, value());
  // A condition keeps its kind; everything else that is a literal is so because its operands are.
  Node copy = *node_;
  copy.kind = kind;
  for (ScalarExpr& o : copy.operands)
    if (o.kind() == ScalarKind::literal) o = o.as(kind);
  return ScalarExpr(std::move(copy));
}

ScalarExpr ScalarExpr::with_operands(std::vector<ScalarExpr> operands) const {
  const auto same = [](const ScalarExpr& a, const ScalarExpr& b) { return a.kind() == b.kind(); };
  OPENINFER_ASSERT(std::equal(operands.begin(), operands.end(), node_->operands.begin(), node_->operands.end(), same));
  Node copy = *node_;
  copy.operands = std::move(operands);
  return ScalarExpr(std::move(copy));
}

// Arithmetic.

ScalarExpr operator-(const ScalarExpr& a) {
  check_kind(ScalarOp::neg, a, is_number(a.kind()));
  return ScalarExpr::unary(ScalarOp::neg, a);
}
ScalarExpr abs(const ScalarExpr& a) {
  check_kind(ScalarOp::abs, a, is_number(a.kind()));
  return ScalarExpr::unary(ScalarOp::abs, a);
}
ScalarExpr operator+(const ScalarExpr& a, const ScalarExpr& b) {
  check_kind(ScalarOp::add, a, is_number(a.kind()));
  return ScalarExpr::binary(ScalarOp::add, a, b);
}
ScalarExpr operator-(const ScalarExpr& a, const ScalarExpr& b) {
  check_kind(ScalarOp::sub, a, is_number(a.kind()));
  return ScalarExpr::binary(ScalarOp::sub, a, b);
}
ScalarExpr operator*(const ScalarExpr& a, const ScalarExpr& b) {
  check_kind(ScalarOp::mul, a, is_number(a.kind()));
  return ScalarExpr::binary(ScalarOp::mul, a, b);
}
ScalarExpr operator/(const ScalarExpr& a, const ScalarExpr& b) {
  check_kind(ScalarOp::div, a, is_number(a.kind()));
  check_kind(ScalarOp::div, b, is_number(b.kind()));
  return ScalarExpr::binary(ScalarOp::div, a, b);
}
ScalarExpr fma(const ScalarExpr& a, const ScalarExpr& b, const ScalarExpr& c) {
  std::vector<ScalarExpr> operands = {a, b, c};
  unify(operands, "fma");
  check_kind(ScalarOp::fma, operands[0], is_real(operands[0].kind()));
  const ScalarKind kind = operands[0].kind();
  return ScalarExpr(ScalarExpr::Node{.op = ScalarOp::fma, .kind = kind, .operands = std::move(operands)});
}
ScalarExpr floor(const ScalarExpr& a) {
  check_kind(ScalarOp::floor, a, is_real(a.kind()));
  return ScalarExpr::unary(ScalarOp::floor, a);
}
ScalarExpr round_even(const ScalarExpr& a) {
  check_kind(ScalarOp::round_even, a, is_real(a.kind()));
  return ScalarExpr::unary(ScalarOp::round_even, a);
}

// Comparisons.

namespace {
bool are_booleans(const ScalarExpr& a, const ScalarExpr& b) {
  return a.kind() == ScalarKind::boolean || b.kind() == ScalarKind::boolean;
}
}  // namespace

ScalarExpr operator==(const ScalarExpr& a, const ScalarExpr& b) { return ScalarExpr::comparison(ScalarOp::eq, a, b); }
ScalarExpr operator!=(const ScalarExpr& a, const ScalarExpr& b) { return ScalarExpr::comparison(ScalarOp::ne, a, b); }
ScalarExpr operator<(const ScalarExpr& a, const ScalarExpr& b) {
  return are_booleans(a, b) ? !a && b : ScalarExpr::comparison(ScalarOp::lt, a, b);
}
ScalarExpr operator<=(const ScalarExpr& a, const ScalarExpr& b) {
  return are_booleans(a, b) ? !a || b : ScalarExpr::comparison(ScalarOp::le, a, b);
}
ScalarExpr operator>(const ScalarExpr& a, const ScalarExpr& b) {
  return are_booleans(a, b) ? a && !b : ScalarExpr::comparison(ScalarOp::gt, a, b);
}
ScalarExpr operator>=(const ScalarExpr& a, const ScalarExpr& b) {
  return are_booleans(a, b) ? a || !b : ScalarExpr::comparison(ScalarOp::ge, a, b);
}

// Logic and bits.

ScalarExpr operator!(const ScalarExpr& a) {
  return ScalarExpr::unary(ScalarOp::logical_not, a.as(ScalarKind::boolean));
}
ScalarExpr operator&&(const ScalarExpr& a, const ScalarExpr& b) {
  return ScalarExpr::binary(ScalarOp::logical_and, a.as(ScalarKind::boolean), b.as(ScalarKind::boolean));
}
ScalarExpr operator||(const ScalarExpr& a, const ScalarExpr& b) {
  return ScalarExpr::binary(ScalarOp::logical_or, a.as(ScalarKind::boolean), b.as(ScalarKind::boolean));
}
ScalarExpr operator~(const ScalarExpr& a) {
  if (a.kind() == ScalarKind::boolean) return !a;
  check_kind(ScalarOp::bit_not, a, is_integer(a.kind()));
  return ScalarExpr::unary(ScalarOp::bit_not, a);
}
ScalarExpr operator&(const ScalarExpr& a, const ScalarExpr& b) {
  if (are_booleans(a, b)) return a && b;
  check_kind(ScalarOp::bit_and, a, is_integer(a.kind()));
  return ScalarExpr::binary(ScalarOp::bit_and, a, b);
}
ScalarExpr operator|(const ScalarExpr& a, const ScalarExpr& b) {
  if (are_booleans(a, b)) return a || b;
  check_kind(ScalarOp::bit_or, a, is_integer(a.kind()));
  return ScalarExpr::binary(ScalarOp::bit_or, a, b);
}
ScalarExpr operator^(const ScalarExpr& a, const ScalarExpr& b) {
  if (are_booleans(a, b)) return a != b;
  check_kind(ScalarOp::bit_xor, a, is_integer(a.kind()));
  return ScalarExpr::binary(ScalarOp::bit_xor, a, b);
}
ScalarExpr operator<<(const ScalarExpr& a, const ScalarExpr& amount) {
  check_kind(ScalarOp::shift_left, a, is_int(a.kind()));
  return ScalarExpr::binary(ScalarOp::shift_left, a, amount);
}
ScalarExpr operator>>(const ScalarExpr& a, const ScalarExpr& amount) {
  check_kind(ScalarOp::shift_right, a, is_int(a.kind()));
  return ScalarExpr::binary(ScalarOp::shift_right, a, amount);
}
ScalarExpr operator<<(const ScalarExpr& a, int amount) { return a << ScalarExpr(amount); }
ScalarExpr operator>>(const ScalarExpr& a, int amount) { return a >> ScalarExpr(amount); }

// Choices and conversions.

ScalarExpr select(const ScalarExpr& condition, const ScalarExpr& a, const ScalarExpr& b) {
  std::vector<ScalarExpr> values = {a, b};
  unify(values, "select");
  const ScalarKind kind = values[0].kind();
  return ScalarExpr(ScalarExpr::Node{
      .op = ScalarOp::select, .kind = kind, .operands = {condition.as(ScalarKind::boolean), values[0], values[1]}});
}
ScalarExpr min(const ScalarExpr& a, const ScalarExpr& b) {
  std::vector<ScalarExpr> v = {a, b};
  unify(v, "min");
  return select(v[1] < v[0] || v[1] != v[1], v[1], v[0]);
}
ScalarExpr max(const ScalarExpr& a, const ScalarExpr& b) {
  std::vector<ScalarExpr> v = {a, b};
  unify(v, "max");
  return select(v[0] < v[1] || v[1] != v[1], v[1], v[0]);
}

ScalarExpr convert(const ScalarExpr& a, ScalarKind kind) {
  if (a.kind() == kind || a.kind() == ScalarKind::literal) return a.as(kind);
  if (kind == ScalarKind::boolean) return a != ScalarExpr(0);
  check_kind(ScalarOp::convert, a, kind != ScalarKind::literal);
  return ScalarExpr(ScalarExpr::Node{.op = ScalarOp::convert, .kind = kind, .operands = {a}});
}

ScalarExpr bit_cast(const ScalarExpr& a, ScalarKind kind) {
  if (a.kind() == kind) return a;
  check_kind(ScalarOp::bit_cast, a, bits_of(a.kind()) >= 32 && bits_of(a.kind()) == bits_of(kind));
  return ScalarExpr(ScalarExpr::Node{.op = ScalarOp::bit_cast, .kind = kind, .operands = {a}});
}

ScalarExpr narrow(const ScalarExpr& a, DType dtype) {
  const ScalarKind kind = compute_kind(dtype);
  const ScalarExpr value = a.as(kind);
  if (kind == ScalarKind::boolean || info(dtype).bits == bits_of(kind)) return value;
  return ScalarExpr(ScalarExpr::Node{.op = ScalarOp::narrow, .kind = kind, .operands = {value}, .dtype = dtype});
}

ScalarExpr exp(const ScalarExpr& a) { return ScalarExpr::function("exp", a); }
ScalarExpr log(const ScalarExpr& a) { return ScalarExpr::function("log", a); }
ScalarExpr sqrt(const ScalarExpr& a) { return ScalarExpr::function("sqrt", a); }
ScalarExpr rsqrt(const ScalarExpr& a) { return ScalarExpr::function("rsqrt", a); }
ScalarExpr sin(const ScalarExpr& a) { return ScalarExpr::function("sin", a); }
ScalarExpr cos(const ScalarExpr& a) { return ScalarExpr::function("cos", a); }
ScalarExpr tanh(const ScalarExpr& a) { return ScalarExpr::function("tanh", a); }
ScalarExpr erf(const ScalarExpr& a) { return ScalarExpr::function("erf", a); }
ScalarExpr log1p(const ScalarExpr& a) { return ScalarExpr::function("log1p", a); }
ScalarExpr expm1(const ScalarExpr& a) { return ScalarExpr::function("expm1", a); }
ScalarExpr pow(const ScalarExpr& a, const ScalarExpr& b) {
  for (const ScalarExpr& e : {a, b})
    if (!is_real(e.kind()))
      fail(ErrorCode::dtype_mismatch, "[scalar] pow does not take {} {}", name(e.kind()), to_string(e));
  return ScalarExpr::call("pow", {a, b});
}

}  // namespace openinfer
