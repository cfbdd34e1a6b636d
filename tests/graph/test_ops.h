// SPDX-License-Identifier: Apache-2.0
// A few operators for the tests of graphs and their text, from public headers alone: their `infer` knows just enough to
// give types and to be wrong about them. The library's own operators have tests of their own.
#pragma once

#include <openinfer/op_def.h>

namespace test_ops {

namespace detail {

using namespace openinfer;
using Types = std::vector<TensorType>;
using Presence = OperandSpec::Presence;

inline const OperandSpec kX{.name = "x"}, kA{.name = "a"}, kB{.name = "b"};

inline Types same_as_first(const InferContext& c) { return {c.type(0)}; }

inline Types elementwise(const InferContext& c) {
  const TensorType &a = c.type(0), &b = c.type(1);
  if (a.dtype != b.dtype)
    c.fail(ErrorCode::dtype_mismatch,
           "dtypes differ: " + c.describe(0) + " " + a.to_string() + " vs " + c.describe(1) + " " + b.to_string());
  if (!b.shape.empty() && !a.shape.empty() && a.shape != b.shape)
    c.fail(ErrorCode::shape_mismatch, "shapes differ: " + to_string(a.shape) + " vs " + to_string(b.shape));
  return {a.shape.empty() ? b : a};
}

inline Types compare(const InferContext& c) { return {{DType::boolean, elementwise(c)[0].shape}}; }
inline Types cast_to(const InferContext& c) { return {{c.dtype("dtype"), c.type(0).shape}}; }

inline Types concatenated(const InferContext& c) {
  for (std::size_t i = 0; i < c.operand_count(); ++i)
    if (c.type(i).shape.empty()) c.fail(ErrorCode::shape_mismatch, "a scalar has no axis");
  TensorType sum = c.type(0);
  for (std::size_t i = 1; i < c.operand_count(); ++i) sum.shape[0] = sum.shape[0] + c.type(i).shape[0];
  return {sum};
}

inline Types product(const InferContext& c) {
  const TensorType &x = c.type(0), &w = c.type(1);
  if (x.shape.empty() || w.shape.size() != 2 || x.shape.back() != w.shape[0])
    c.fail(ErrorCode::shape_mismatch,
           "K differs: lhs " + to_string(x.shape) + " vs rhs " + to_string(w.shape) + " " + c.describe(1));
  Shape shape = x.shape;
  shape.back() = w.shape[1];
  return {{x.dtype, shape}};
}

inline Types gathered(const InferContext& c) {
  TensorType type = c.type(0);
  if (type.shape.empty() || c.type(1).shape.size() != 1) c.fail(ErrorCode::shape_mismatch, "wants rows and their ids");
  type.shape[0] = c.type(1).shape[0];
  if (info(type.dtype).block_size != 1) type.dtype = DType::f32;
  return {type};
}

inline Types cache_views(const InferContext& c) {
  const StateSpec& s = c.state();
  if (s.kind != StateSpec::Kind::kv_cache) c.fail(ErrorCode::invalid_argument, "wants a kv_cache");
  const TensorType view{s.dtype, {s.shape[1], s.shape[2], s.shape[3], s.shape[4]}};
  return {view, view};
}

inline Types state_type(const InferContext& c) { return {{c.state().dtype, c.state().shape}}; }
inline Types nothing(const InferContext&) { return {}; }
inline Types two_types(const InferContext& c) { return {c.type(0), {DType::i32, {}}}; }

inline OperandSpec keyword(std::string_view name, Presence presence = Presence::optional) {
  return {.name = name, .presence = presence, .keyword = true, .shares_dtype = false};
}
inline const OperandSpec kStored{.name = "w", .stored = true, .shares_dtype = false};

inline OpDef infix(std::string_view name, std::string_view symbol) {
  return {.name = name, .operands = {kA, kB}, .traits = {.elementwise = true}, .infer = elementwise, .symbol = symbol};
}

inline std::vector<OpDef> definitions() {
  const auto integer = AttributeKind::integer;
  const auto number = AttributeKind::number;
  return {
      infix("add", "+"),
      infix("sub", "-"),
      infix("mul", "*"),
      infix("div", "/"),
      {.name = "silu", .operands = {kX}, .infer = same_as_first},
      {.name = "gt", .operands = {kA, kB}, .infer = compare},
      {.name = "cast", .operands = {kX}, .attributes = {{"dtype", AttributeKind::dtype}}, .infer = cast_to},
      {.name = "concat",
       .operands = {{.name = "parts", .presence = Presence::variadic}},
       .attributes = {{"axis", integer, std::int64_t{0}}},
       .infer = concatenated},
      {.name = "matmul", .operands = {kX, kStored}, .infer = product, .variants = {"mma", "matvec"}},
      {.name = "gather",
       .operands = {{.name = "table", .stored = true}, {.name = "ids", .shares_dtype = false}},
       .infer = gathered},
      {.name = "rms_norm",
       .operands = {kX, {.name = "w"}},
       .attributes = {{"eps", number, 1e-6}},
       .infer = same_as_first},
      {.name = "rope",
       .operands = {kX, keyword("pos", Presence::required)},
       .attributes = {{"head_dim", integer},
                      {"theta", number, 10000.0},
                      {"scaling", AttributeKind::string, std::string("none")}},
       .infer = same_as_first},
      {.name = "sdpa",
       .operands = {{.name = "q"},
                    {.name = "k"},
                    {.name = "v"},
                    {.name = "mask", .presence = Presence::optional},
                    keyword("pos"),
                    keyword("slot")},
       .attributes = {{"causal", AttributeKind::boolean, false}, {"window", AttributeKind::dim, Dim(0)}},
       .infer = same_as_first,
       .variants = {"flash"}},
      {.name = "kv_write",
       .operands =
           {{.name = "k"}, {.name = "v"}, keyword("layer", Presence::required), keyword("pos"), keyword("slot")},
       .traits = {.state = StateUse::write},
       .infer = nothing},
      {.name = "kv_read",
       .operands = {keyword("layer", Presence::required)},
       .traits = {.view = true, .state = StateUse::read},
       .infer = cache_views},
      {.name = "state_read", .traits = {.state = StateUse::read}, .infer = state_type},
      {.name = "state_write", .operands = {kX}, .traits = {.state = StateUse::write}, .infer = nothing},
      {.name = "noise",
       .operands = {kX},
       .attributes = {{"shape", AttributeKind::dims, Shape{}}, {"scale", number, 0.0}},
       .infer = two_types},
  };
}

}  // namespace detail

/// add sub mul div silu gt cast concat matmul gather rms_norm rope sdpa kv_read kv_write state_read state_write noise
inline const openinfer::OpSet& all() {
  static const std::vector<openinfer::OpDef> ops = detail::definitions();
  static const openinfer::OpSet set = [] {
    openinfer::OpSet made;
    for (const openinfer::OpDef& op : ops) made.add(op);
    return made;
  }();
  return set;
}

}  // namespace test_ops
