// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <map>

#include "codegen/kernels/pointwise.h"
#include "codegen/kernels/scalar_functions.h"
#include "codegen/kernels/scalar_rewrite.h"
#include "lib/base/fail.h"

namespace openinfer::kernels {
namespace {

using kir::Kind;
using kir::Val;

Kind kind_of(ScalarKind kind) {
  switch (kind) {
    case ScalarKind::boolean: return Kind::b1;
    case ScalarKind::i32: return Kind::i32;
    case ScalarKind::u32: return Kind::u32;
    case ScalarKind::i64: return Kind::i64;
    case ScalarKind::u64: return Kind::u64;
    case ScalarKind::f64: return Kind::f64;
    case ScalarKind::f32:
    case ScalarKind::literal: break;
  }
  return Kind::f32;
}

std::string rounded_name(DType dtype) { return fmt::format("rounded_{}", name(dtype)); }

/// Roundings to f16 and bf16 as calls: in a function of their own no compiler may take (x + c) - c for x.
ScalarExpr round_by_call(const ScalarExpr& e) {
  return ScalarRewrite([](const ScalarExpr& node) {
    if (node.op() != ScalarOp::narrow || !is_float(node.kind())) return node;
    return ScalarExpr::call(rounded_name(node.dtype()), {node.operands()[0]});
  })(e);
}

class Coder {
 public:
  Coder(kir::Build& k, const std::vector<std::pair<std::string, Val>>& parameters) : k_(k), parameters_(parameters) {}

  /// What is shared in the expression is one value.
  Val operator()(const ScalarExpr& e) {
    if (const auto found = done_.find(e.id()); found != done_.end()) return found->second;
    std::vector<Val> o;
    for (const ScalarExpr& operand : e.operands()) o.push_back((*this)(operand));
    Val v = code(e, o);
    const bool is_named = e.op() == ScalarOp::parameter || e.op() == ScalarOp::call;
    if (!is_named && !e.name().empty()) v = k_.let(e.name(), v);
    return done_.emplace(e.id(), v).first->second;
  }

 private:
  Val code(const ScalarExpr& e, const std::vector<Val>& o) {
    switch (e.op()) {
      case ScalarOp::parameter: return parameter(e.name());
      case ScalarOp::constant: return constant(e);
      case ScalarOp::neg: return -o[0];
      case ScalarOp::abs: return abs(o[0]);
      case ScalarOp::add: return o[0] + o[1];
      case ScalarOp::sub: return o[0] - o[1];
      case ScalarOp::mul: return o[0] * o[1];
      case ScalarOp::div: return o[0] / o[1];
      case ScalarOp::eq: return o[0] == o[1];
      case ScalarOp::ne: return o[0] != o[1];
      case ScalarOp::lt: return o[0] < o[1];
      case ScalarOp::le: return o[0] <= o[1];
      case ScalarOp::gt: return o[0] > o[1];
      case ScalarOp::ge: return o[0] >= o[1];
      case ScalarOp::logical_not: return !o[0];
      case ScalarOp::logical_and: return o[0] && o[1];
      case ScalarOp::logical_or: return o[0] || o[1];
      case ScalarOp::bit_not: return ~o[0];
      case ScalarOp::bit_and: return o[0] & o[1];
      case ScalarOp::bit_or: return o[0] | o[1];
      case ScalarOp::bit_xor: return o[0] ^ o[1];
      case ScalarOp::shift_left: return o[0] << o[1];
      case ScalarOp::shift_right: return o[0] >> o[1];
      case ScalarOp::select: return select(o[0], o[1], o[2]);
      case ScalarOp::convert: return e.kind() == ScalarKind::boolean ? o[0] != 0 : convert(o[0], kind_of(e.kind()));
      case ScalarOp::bit_cast: return bitcast(o[0], kind_of(e.kind()));
      case ScalarOp::floor: return floor(o[0]);
      case ScalarOp::round_even: return round(o[0]);
      case ScalarOp::fma: return fma(o[0], o[1], o[2]);
      case ScalarOp::call: return call(e, o);
      case ScalarOp::narrow: break;  // expand_conversions left none
    }
    k_.fail(fmt::format("a scalar expression has {} in it", openinfer::name(e.op())));
  }

  Val parameter(const std::string& name) const {
    for (const auto& [known, value] : parameters_)
      if (known == name) return value;
    k_.fail(fmt::format("a scalar expression names '{}', which nobody gave", name));
  }

  Val constant(const ScalarExpr& e) const {
    if (is_float(e.kind())) return k_.constant(e.value(), kind_of(e.kind()));
    if (e.kind() == ScalarKind::literal) k_.fail("a scalar expression is a number without a kind");
    if (e.kind() == ScalarKind::i32)
      return k_.constant(std::bit_cast<std::int32_t>(static_cast<std::uint32_t>(e.bits())), Kind::i32);
    return k_.constant(e.bits(), kind_of(e.kind()));
  }

  Val call(const ScalarExpr& e, const std::vector<Val>& o) {
    const ScalarFunction* f = definition(e.name(), e.kind());
    for (const DType dtype : {DType::f16, DType::bf16})
      if (e.name() == rounded_name(dtype)) return rounded(dtype, o[0]);
    if (!f && e.name() == "sqrt") return sqrt(o[0]);
    if (!f && e.name() == "rsqrt") return k_.constant(1.0, kind_of(e.kind())) / sqrt(o[0]);
    if (!f)
      openinfer::fail(ErrorCode::unsupported, "[{}] devices compute it in f32 only, not in {}; cast the operand",
                      e.name(), openinfer::name(e.kind()));
    std::vector<std::string> names;
    for (const ScalarExpr& p : f->parameters) names.push_back(p.name());
    const auto body = [&](const std::vector<Val>& arguments) {
      std::vector<std::pair<std::string, Val>> given;
      for (std::size_t i = 0; i < names.size(); ++i) given.emplace_back(names[i], arguments[i]);
      return code_of(k_, f->body, given);
    };
    return k_.call(f->name, o, body, f->comment, names);
  }

  Val rounded(DType dtype, const Val& x) {
    const auto body = [&](const std::vector<Val>& arguments) {
      const ScalarExpr whole = ScalarExpr::parameter("x", ScalarKind::f32);
      return Coder(k_, {{"x", arguments[0]}})(expand_conversions(narrow(whole, dtype)));
    };
    return k_.call(rounded_name(dtype), {x}, body, fmt::format("the {} nearest to x, ties to even", name(dtype)));
  }

  kir::Build& k_;
  const std::vector<std::pair<std::string, Val>>& parameters_;
  std::map<const void*, Val> done_;
};

}  // namespace

Val code_of(kir::Build& k, const ScalarExpr& e, const std::vector<std::pair<std::string, Val>>& parameters) {
  ScalarExpr plain = expand_conversions(round_by_call(e));
  if (!k.target().exact_division) plain = divide_by_call(plain);
  if (!k.target().exact_fma) plain = fuse_by_call(plain);
  if (k.target().exp_by_fma) plain = exp_by_fma(plain);
  return Coder(k, parameters)(plain);
}

Val scalar_call(kir::Build& k, std::string_view name, const std::vector<Val>& arguments) {
  std::vector<ScalarExpr> operands;
  std::vector<std::pair<std::string, Val>> given;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    given.emplace_back(fmt::format("x{}", i), arguments[i]);
    const ScalarKind kind = arguments[i].kind() == Kind::f64 ? ScalarKind::f64 : ScalarKind::f32;
    operands.push_back(ScalarExpr::parameter(given.back().first, kind));
  }
  return code_of(k, ScalarExpr::call(std::string(name), operands), given);
}

}  // namespace openinfer::kernels
