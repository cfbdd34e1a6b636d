// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/scalar_functions.h"

#include <set>

#include "codegen/kernels/scalar_bodies.h"
#include "codegen/kernels/scalar_rewrite.h"

namespace openinfer::kernels {
namespace {

ScalarFunction of_x(std::string_view name, ScalarExpr (*body)(const ScalarExpr&), double ulp,
                    std::string_view comment) {
  const ScalarExpr x = ScalarExpr::parameter("x", ScalarKind::f32);
  return {name, {x}, body(x), ulp, comment};
}

ScalarFunction division() {
  const ScalarExpr a = ScalarExpr::parameter("a", ScalarKind::f32), b = ScalarExpr::parameter("b", ScalarKind::f32);
  return {"div", {a, b}, div_body(a, b), 0.8, "a / b within 0.8 ULP (0.51 above 2^-126)"};
}

ScalarFunction power() {
  const ScalarExpr a = ScalarExpr::parameter("a", ScalarKind::f32), b = ScalarExpr::parameter("b", ScalarKind::f32);
  return {"pow", {a, b}, pow_body(a, b), 1.25, "a^b within 1.25 ULP"};
}

ScalarFunction fused_product(std::string_view name, ScalarKind kind) {
  const auto operand = [&](const char* of) { return ScalarExpr::parameter(of, kind); };
  const ScalarExpr a = operand("a"), b = operand("b"), c = operand("c");
  return {name, {a, b, c}, fma_body(a, b, c), 0.5, "a · b + c within 0.5 ULP: rounded once, denormal results too"};
}

const ScalarFunction& fused_product_of_f64() {
  static const ScalarFunction f = fused_product("exact_fma_f64", ScalarKind::f64);
  return f;
}

ScalarExpr inlined(const ScalarExpr& e) {
  const ScalarFunction* f = e.op() == ScalarOp::call ? definition(e.name(), e.kind()) : nullptr;
  if (!f) return e;
  ScalarRewrite body(inlined);
  for (std::size_t i = 0; i < f->parameters.size(); ++i) body.replace(f->parameters[i], e.operands()[i]);
  return body(f->body);
}

void collect_calls(const ScalarExpr& e, std::set<const void*>& seen, std::set<const ScalarFunction*>& found) {
  if (!seen.insert(e.id()).second) return;
  for (const ScalarExpr& o : e.operands()) collect_calls(o, seen, found);
  if (e.op() != ScalarOp::call) return;
  const ScalarFunction* f = definition(e.name(), e.kind());
  if (f && found.insert(f).second) collect_calls(f->body, seen, found);
}

}  // namespace

std::span<const ScalarFunction> scalar_functions() {
  // Bounds: above the largest error among 4e7 arguments spread over all 2^32 (div: 1e8 pairs; exp: 0.989 among all).
  static const std::vector<ScalarFunction> functions = {
      division(),
      fused_product("exact_fma", ScalarKind::f32),
      of_x("reciprocal", reciprocal_body, 1.5, "1 / x within 1.5 ULP"),
      of_x("sqrt", sqrt_body, 0.51, "√x within 0.51 ULP"),
      of_x("rsqrt", rsqrt_body, 1.0, "1 / √x within 1 ULP"),
      of_x("exp", exp_body, 1.0, "e^x within 1 ULP"),
      of_x("exp_fma", exp_fma_body, 1.0, "e^x within 1 ULP, 0 where that is below 2^-126; by fused multiply-adds"),
      of_x("log", log_body, 1.0, "ln x within 1 ULP"),
      of_x("tanh", tanh_body, 1.5, "tanh x within 1.5 ULP"),
      of_x("erf", erf_body, 1.5, "erf x within 1.5 ULP"),
      of_x("sigmoid", sigmoid_body, 2.5, "1 / (1 + e^-x) within 2.5 ULP"),
      of_x("log1p", log1p_body, 2.0, "ln (1 + x) within 2 ULP"),
      of_x("expm1", expm1_body, 1.5, "e^x - 1 within 1.5 ULP"),
      power(),
      of_x("sin", sin_body, 1.0, "sin x within 1 ULP for every finite x"),
      of_x("cos", cos_body, 1.0, "cos x within 1 ULP for every finite x"),
  };
  return functions;
}

const ScalarFunction* definition(std::string_view name, ScalarKind kind) {
  if (kind == ScalarKind::f64) return name == fused_product_of_f64().name ? &fused_product_of_f64() : nullptr;
  if (kind != ScalarKind::f32) return nullptr;
  for (const ScalarFunction& f : scalar_functions())
    if (f.name == name) return &f;
  return nullptr;
}

std::vector<const ScalarFunction*> functions_of(const ScalarExpr& e) {
  std::set<const void*> seen;
  std::set<const ScalarFunction*> found;
  collect_calls(e, seen, found);
  // Those of f32 stand in one array, so that addresses are in its order; f64's calls none.
  return {found.begin(), found.end()};
}

ScalarExpr inline_calls(const ScalarExpr& e) { return ScalarRewrite(inlined)(e); }

ScalarExpr fuse_by_call(const ScalarExpr& e) {
  return ScalarRewrite([](const ScalarExpr& node) {
    if (node.op() != ScalarOp::fma) return node;
    const auto o = node.operands();
    return ScalarExpr::call(node.kind() == ScalarKind::f64 ? "exact_fma_f64" : "exact_fma", {o[0], o[1], o[2]});
  })(e);
}

ScalarExpr exp_by_fma(const ScalarExpr& e) {
  return ScalarRewrite([](const ScalarExpr& node) {
    if (node.op() != ScalarOp::call || node.name() != "exp" || node.kind() != ScalarKind::f32) return node;
    return ScalarExpr::call("exp_fma", {node.operands()[0]});
  })(e);
}

ScalarExpr divide_by_call(const ScalarExpr& e) {
  return ScalarRewrite([](const ScalarExpr& node) {
    if (node.op() != ScalarOp::div || node.kind() != ScalarKind::f32) return node;
    return ScalarExpr::call("div", {node.operands()[0], node.operands()[1]});
  })(e);
}

}  // namespace openinfer::kernels
