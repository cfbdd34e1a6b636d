// SPDX-License-Identifier: Apache-2.0
// Operators from outside the library, through builder, text and simulator, and as code generators see them, with public
// headers only: the proof that nothing in the library knows which operators there are.
#include <openinfer/op_def.h>
#include <openinfer/openinfer.h>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>

using namespace openinfer;

namespace {

// y[…,i] = x[…,i] · min(1, limit / ‖x[…]‖₂): rows longer than `limit` are shortened to it.
std::vector<TensorType> infer_clip_norm(const InferContext& c) {
  if (c.type(0).dtype != f32) c.fail(ErrorCode::dtype_mismatch, "takes f32, not " + c.type(0).to_string());
  if (c.type(0).shape.empty()) c.fail(ErrorCode::shape_mismatch, c.describe(0) + " has no rows");
  if (!(c.number("limit") > 0)) c.fail(ErrorCode::invalid_argument, "the limit must be positive");
  return {c.type(0)};
}

void run_clip_norm(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const auto limit = static_cast<float>(run.number("limit"));
  const std::int64_t D = x.shape.back();
  run.parallel_for(D == 0 ? 0 : x.count() / D, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const float* from = x.as<float>() + r * D;
      float squares = 0;
      for (std::int64_t i = 0; i < D; ++i) squares += from[i] * from[i];
      const float scale = std::min(1.0f, limit / std::sqrt(squares));
      for (std::int64_t i = 0; i < D; ++i) y.as<float>()[r * D + i] = from[i] * scale;
    }
  });
}

// The same in the library's operators: what a code generator makes kernels of.
std::vector<Value> decompose_clip_norm(const std::vector<OptionalIn>& operands, const Attributes& attributes) {
  const In& x = *operands[0];
  const double limit = std::get<double>(*attributes.find("limit"));
  const Value length = sqrt(sum(mul(x, x), {.axes = {-1}, .keepdims = true}));
  return {mul(x, min(div(limit, length), 1))};
}

const OpDef& clip_norm_op() {
  static const OpDef op = {.name = "clip_norm",
                           .operands = {{.name = "x"}},
                           .attributes = {{"limit", AttributeKind::number, 1.0}},
                           .infer = infer_clip_norm,
                           .reference = run_clip_norm,
                           .decompose = decompose_clip_norm};
  return op;
}

// y[i] = limit · tanh(x[i] / limit): elementwise, so that one scalar expression is all that a code generator needs.
// One lambda, for numbers and for expressions.
constexpr auto kSoftcap = [](auto x, double limit) {
  using std::tanh;
  using T = decltype(x);
  return T(limit) * tanh(x / T(limit));
};

const OpDef& softcap_op() {
  static const OpDef op = {.name = "softcap",
                           .operands = {{.name = "x"}},
                           .attributes = {{"limit", AttributeKind::number, 30.0}},
                           .traits = {.elementwise = true},
                           .infer = infer_clip_norm,
                           .reference =
                               [](OpRun& run) {
                                 const auto* x = run.in(0).as<float>();
                                 const TensorSpan y = run.out(0);
                                 for (std::int64_t i = 0; i < y.count(); ++i)
                                   y.as<float>()[i] = kSoftcap(x[i], run.number("limit"));
                               },
                           .lower =
                               [](const InferContext& c) {
                                 return Lowering(ScalarFn([limit = c.number("limit")](std::span<const ScalarExpr> x) {
                                   return kSoftcap(x[0], limit);
                                 }));
                               }};
  return op;
}

Value clip_norm(const In& x, double limit) { return apply(clip_norm_op(), {x}, {{"limit", limit}}).front(); }
Pipe clip_norm(double limit) { return {.op = &clip_norm_op(), .attributes = {{"limit", limit}}}; }

Graph clipping() {
  return graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 8);
    auto x = b.input("x", f32, {N, 2});
    b.output("once", clip_norm(x, 2.5));
    b.output("again", x * 10 | clip_norm(5) % hints{.name = "clipped"});
  });
}

OpSet with_clip_norm() {
  OpSet ops(OpSet::builtin().all());
  ops.add(clip_norm_op());
  return ops;
}

void check_outputs(const Graph& g) {
  // By hand: (3, 4) has length 5, (0.6, 0.8) length 1.
  const Tensor x(std::vector{3.0f, 4.0f, 0.6f, 0.8f}, {2, 2});
  const Outputs out = SimSession(g).run_step({{"x", x}});
  const auto once = out["once"].data<float>(), again = out["again"].data<float>();
  const float want_once[] = {1.5f, 2.0f, 0.6f, 0.8f}, want_again[] = {3.0f, 4.0f, 3.0f, 4.0f};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(once[i] == Approx(want_once[i]).epsilon(1e-6));    // four roundings of 6e-8
    CHECK(again[i] == Approx(want_again[i]).epsilon(1e-6));  // and one more for x * 10
  }
}

}  // namespace

TEST_CASE("custom_op_runs_in_the_simulator") { check_outputs(clipping()); }

TEST_CASE("custom_op_survives_the_text") {
  const std::string text = to_text(clipping());
  CHECK(text.find("clip_norm(x, limit=2.5)") != std::string::npos);
  const OpSet ops = with_clip_norm();
  const Graph parsed = parse_graph(text, "clip.oig", ops);
  CHECK(to_text(parsed) == text);
  check_outputs(parsed);
}

TEST_CASE("custom_op_decomposes") {
  const Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {2, 2});
    b.output("once", decompose_clip_norm({In(x)}, {{"limit", 2.5}}).front());
    b.output("again", decompose_clip_norm({In(x * 10)}, {{"limit", 5.0}}).front());
  });
  check_outputs(g);
}

// What a code generator does with an elementwise operator; no library header is needed for it either.
class SoftcapContext final : public InferContext {
 public:
  const OpDef& op() const override { return softcap_op(); }
  std::size_t operand_count() const override { return 1; }
  bool has(std::size_t) const override { return true; }
  const TensorType& type(std::size_t) const override { return type_; }
  std::string describe(std::size_t) const override { return "'x'"; }
  const Attributes& attributes() const override { return attributes_; }
  const StateSpec& state() const override { throw Error(ErrorCode::unsupported, "softcap has no state"); }
  Location at() const override { return {}; }
  std::pair<std::int64_t, std::int64_t> bounds(const Dim&) const override { return {8, 8}; }

 private:
  TensorType type_ = {f32, {8}};
  Attributes attributes_ = {{"limit", 30.0}};
};

TEST_CASE("custom_op_lowers_to_a_scalar_expression") {
  const Lowering lowering = softcap_op().lower(SoftcapContext());
  const std::array x = {ScalarExpr::parameter("x", ScalarKind::f32)};
  CHECK(to_string(std::get<ScalarFn>(lowering)(x)) == "30 * tanh(x / 30)");
}

TEST_CASE("custom_op_is_unknown_to_the_builtin_set") {
  CHECK_THROWS_WITH(parse_graph(to_text(clipping()), "clip.oig"), Catch::Contains("clip_norm"));
  OpSet ops = with_clip_norm();
  CHECK_THROWS_WITH(ops.add(clip_norm_op()), Catch::Contains("'clip_norm' is already in the set"));
}

TEST_CASE("custom_op_errors_name_the_users_line") {
  GraphBuilder b;
  auto x = b.input("x", f32, {2});
  int line = 0;
  std::string message;  // caught here: in a macro of several lines compilers count differently
  try {
    line = __LINE__, static_cast<void>(clip_norm(x, -1));
  } catch (const Error& e) {
    message = e.what();
  }
  CHECK(message == "[clip_norm] the limit must be positive at custom_op_test.cpp:" + std::to_string(line));
  CHECK_THROWS_WITH(x | clip_norm(0), Catch::Contains("[clip_norm] the limit must be positive at custom_op_test.cpp"));
  CHECK_THROWS_WITH(clip_norm(b.input("i", i32, {2}), 1), Catch::Contains("takes f32, not i32[2]"));
}
