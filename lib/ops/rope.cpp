// SPDX-License-Identifier: Apache-2.0
// Numbers: f_i as given or as rope_frequencies.h has them; the angle is the f32 product of the position
// (rounded to f32) and f_i; its cosine and sine are std::cos and std::sin in the type of the sums, times
// attention_factor; a rotated pair is two products and their sum, each rounded.
#include <fmt/format.h>

#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/rope_frequencies.h"
#include "lib/ops/rows.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

enum RopeOperand : std::size_t { kRopeX, kRopePos, kRopeFrequencies };

void check_rope_scaling(const InferContext& c) {
  const std::string& scaling = c.string("scaling");
  if (scaling != "none" && scaling != "linear" && scaling != "llama3" && scaling != "yarn")  // [C4]
    c.fail(ErrorCode::invalid_argument, fmt::format("scaling is none, linear, llama3 or yarn, not '{}'", scaling));
  for (const char* name : {"factor", "theta", "low_freq_factor", "high_freq_factor", "attention_factor", "beta_fast",
                           "beta_slow"})  // [C4]
    if (!(c.number(name) > 0) || std::isinf(c.number(name)))
      c.fail(ErrorCode::invalid_argument, fmt::format("{} = {} must be positive", name, c.number(name)));
  if (c.integer("original_context") < 1)  // [C4]
    c.fail(ErrorCode::invalid_argument,
           fmt::format("original_context = {} must be positive", c.integer("original_context")));
  if (scaling == "yarn" && c.number("theta") <= 1)  // [C4]
    c.fail(ErrorCode::invalid_argument, fmt::format("yarn needs a theta above 1, not {}", c.number("theta")));
}

void check_rope_frequencies(const InferContext& c, std::int64_t pairs) {
  if (!c.has(kRopeFrequencies)) return;
  const TensorType& f = c.type(kRopeFrequencies);
  if (f != TensorType{f32, {pairs}} && f != TensorType{f32, {2, pairs}})  // [C5]
    c.fail(ErrorCode::shape_mismatch, fmt::format("frequencies must be f32[{}] or f32[2, {}], not {} {}", pairs, pairs,
                                                  c.describe(kRopeFrequencies), f.to_string()));
  if (c.string("scaling") != "none")  // [C5]
    c.fail(ErrorCode::invalid_argument,
           fmt::format("frequencies are given, and scaling = {} would change them", c.string("scaling")));
  if (f.shape.size() == 2 && c.dim("context") == Dim(0))  // [C5]
    c.fail(ErrorCode::invalid_argument, "two rows of frequencies need the context that chooses between them");
}

std::vector<TensorType> infer_rope(const InferContext& c) {
  const TensorType& x = c.type(0);
  const std::int64_t head_dim = c.integer("head_dim"), rotary_dim = c.integer("rotary_dim");
  check_dtype(c, 0, kFloats);
  if (x.shape.size() != 2 && x.shape.size() != 3)  // [C1]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("takes (N, H*head_dim) or (N, H, head_dim), not {} {}", c.describe(0), to_string(x.shape)));
  const Dim& last = x.shape.back();
  if (head_dim < 1 || !last.is_constant() || last.constant() % head_dim != 0 ||
      (x.shape.size() == 3 && last != Dim(head_dim)))  // [C1]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("{} {} does not end in heads of head_dim = {}", c.describe(0), to_string(x.shape), head_dim));
  if (rotary_dim < 0 || rotary_dim > head_dim || (rotary_dim ? rotary_dim : head_dim) % 2 != 0)  // [C2]
    c.fail(ErrorCode::invalid_argument,
           fmt::format("rotary_dim = {} must be even and at most head_dim = {}", rotary_dim, head_dim));
  if (c.type(1) != TensorType{i32, {x.shape[0]}})  // [C3]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("pos must be {}, not {} {}", TensorType{i32, {x.shape[0]}}.to_string(), c.describe(1),
                       c.type(1).to_string()));
  check_rope_scaling(c);                                                     // [C4]
  check_rope_frequencies(c, (rotary_dim != 0 ? rotary_dim : head_dim) / 2);  // [C5]
  return {x};
}

/// Rotates each head of one row.
template <class C>
void rotate_heads(std::span<C> row, std::int64_t head_dim, const std::vector<float>& f, C factor, float pos) {
  const auto pairs = static_cast<std::int64_t>(f.size());
  for (std::int64_t i = 0; i < pairs; ++i) {
    const C angle = static_cast<C>(pos * f[static_cast<std::size_t>(i)]);
    const C cosine = std::cos(angle) * factor, sine = std::sin(angle) * factor;
    for (std::int64_t head = 0; head < static_cast<std::int64_t>(row.size()); head += head_dim) {
      C &a = row[static_cast<std::size_t>(head + i)], &b = row[static_cast<std::size_t>(head + i + pairs)];
      const C x = a, y = b;
      a = x * cosine - y * sine;
      b = y * cosine + x * sine;
    }
  }
}

std::vector<float> frequencies_of(const OpRun& run) {
  if (!run.has(kRopeFrequencies)) return rope_frequencies(rope_options(run));
  const TensorView given = run.in(kRopeFrequencies);
  const std::int64_t pairs = given.shape.back();
  const bool second = given.shape.size() == 2 && run.value(run.dim("context")) > run.integer("original_context");
  const float* first = given.as<float>() + (second ? pairs : 0);
  return {first, first + pairs};
}

void reference_rope(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const auto* pos = run.in(1).as<std::int32_t>();
  const std::int64_t head_dim = run.integer("head_dim");
  if (y.count() == 0) return;  // first: nothing bounds the head_dim of an empty x
  const std::vector<float> f = frequencies_of(run);
  const std::int64_t N = x.shape[0], width = x.count() / N;
  with_sum_type(x.dtype, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    const C factor = static_cast<C>(run.number("attention_factor"));
    run.parallel_for(N, 1 + 2048 / width, [&](std::int64_t begin, std::int64_t end) {
      std::vector<C> row(static_cast<std::size_t>(width));
      for (std::int64_t n = begin; n < end; ++n) {
        load_row<C>(x, n * width, 1, row);
        rotate_heads<C>(row, head_dim, f, factor, static_cast<float>(pos[n]));
        store_row<C>(y, n * width, 1, row);
      }
    });
  });
}

Workspace workspace_rope(const OpRun& run) {
  const TensorView x = run.in(0);
  const std::int64_t width = x.shape[0] == 0 ? 0 : x.count() / x.shape[0];
  return {.shared_bytes = run.integer("head_dim") * 4, .per_thread_bytes = width * 8};
}

/// Of a pair that is turned: four products and two sums; sine and cosine are not counted.
Cost cost_rope(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value) {
  const auto elements = [&](const Shape& shape) {
    double n = 1;
    for (const Dim& d : shape) n *= static_cast<double>(value(d));
    return n;
  };
  const TensorType &x = c.type(0), &pos = c.type(1);
  const double turned = c.integer("rotary_dim") == 0
                            ? 1
                            : static_cast<double>(c.integer("rotary_dim")) / static_cast<double>(c.integer("head_dim"));
  return {2 * elements(x.shape) * info(x.dtype).block_bytes + elements(pos.shape) * info(pos.dtype).block_bytes,
          3 * elements(x.shape) * turned};
}

}  // namespace

const OpDef& rope_op() {
  const Rope defaults;
  static const OpDef op = {.name = "rope",
                           .operands = {{.name = "x"},
                                        {.name = "pos", .keyword = true, .shares_dtype = false},
                                        {.name = "frequencies",
                                         .presence = OperandSpec::Presence::optional,
                                         .keyword = true,
                                         .shares_dtype = false}},
                           .attributes = {{"head_dim", AttributeKind::integer, {}},
                                          {"theta", AttributeKind::number, defaults.theta},
                                          {"rotary_dim", AttributeKind::integer, defaults.rotary_dim},
                                          {"scaling", AttributeKind::string, std::string("none")},
                                          {"factor", AttributeKind::number, defaults.factor},
                                          {"low_freq_factor", AttributeKind::number, defaults.low_freq_factor},
                                          {"high_freq_factor", AttributeKind::number, defaults.high_freq_factor},
                                          {"original_context", AttributeKind::integer, defaults.original_context},
                                          {"attention_factor", AttributeKind::number, defaults.attention_factor},
                                          {"beta_fast", AttributeKind::number, defaults.beta_fast},
                                          {"beta_slow", AttributeKind::number, defaults.beta_slow},
                                          {"truncate", AttributeKind::boolean, defaults.truncate},
                                          {"context", AttributeKind::dim, defaults.context}},
                           .infer = infer_rope,
                           .reference = reference_rope,
                           .lower = lower_to_kernel,
                           .cost = cost_rope,
                           .workspace = workspace_rope};
  return op;
}

namespace {
/// What the scaling does not look at is left out.
Attributes rope_attributes(const Rope& o) {
  Attributes a = {{"head_dim", o.head_dim}, {"theta", o.theta}};
  if (o.rotary_dim != 0) a.set("rotary_dim", o.rotary_dim);
  if (o.attention_factor != 1) a.set("attention_factor", o.attention_factor);
  if (o.context != Dim(0)) {
    a.set("context", o.context);
    a.set("original_context", o.original_context);
  }
  if (o.scaling == "none" && o.factor == 1.0) return a;
  a.set("scaling", o.scaling);
  a.set("factor", o.factor);
  if (o.scaling == "llama3") {
    a.set("low_freq_factor", o.low_freq_factor);
    a.set("high_freq_factor", o.high_freq_factor);
  }
  if (o.scaling == "yarn") {
    a.set("beta_fast", o.beta_fast);
    a.set("beta_slow", o.beta_slow);
    a.set("truncate", o.truncate);
  }
  if (o.scaling == "llama3" || o.scaling == "yarn") a.set("original_context", o.original_context);
  return a;
}
}  // namespace

Value rope(const In& x, const In& pos, Rope options) {
  return call(rope_op(), {x, pos, options.frequencies}, rope_attributes(options));
}
Pipe rope(const In& pos, Rope options) { return pipe(rope_op(), {pos, options.frequencies}, rope_attributes(options)); }

}  // namespace openinfer
