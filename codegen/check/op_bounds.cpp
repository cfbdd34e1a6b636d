// SPDX-License-Identifier: Apache-2.0
#include "codegen/check/op_bounds.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>

#include "codegen/kernels/block_code.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"
#include "lib/ops/shapes.h"
#include "openinfer/op_def.h"

namespace openinfer::check {

const Attribute& ExactRun::attribute(std::string_view name) const { return attribute_or_fallback(node, name); }

namespace {

/// The unit of a kernel's sums and products: f64 for f64, f32 for all narrower floats. Our own sums in f64 round too.
double sum_unit(DType x) { return x == DType::f64 ? 2 * unit(DType::f64) : unit(DType::f32); }

Tensor in_doubles(const Tensor& tensor) {
  if (!is_float(tensor.dtype()) || tensor.dtype() == DType::f64) return tensor;
  return Tensor(numbers_of(tensor), tensor.shape());
}

/// Of a value that kernels move, count or compare only: the simulator's bits.
Bounded exact(const ExactRun& run) {
  Bounded same = {numbers_of(run.values.tensor(run.result)), {}};
  same.error.assign(same.value.size(), 0);
  return same;
}

/// |result| · units, the relative error of a chain of roundings.
Bounded relative(std::vector<double> value, double units) {
  Bounded result = {std::move(value), {}};
  for (const double x : result.value) result.error.push_back(units * std::abs(x));
  return result;
}

/// Decoding rounds twice where a format has a minimum: a product and a sum. All else gives the simulator's bits.
void add_decoding(DType dtype, Bounded& decoded) {
  if (!has_minimum(dtype)) return;
  double largest = 0;
  for (const double x : decoded.value)
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  decoded.error.assign(decoded.value.size(), 2 * unit(DType::f32) * largest);
}

Bounded gather(const ExactRun& run) {
  Bounded rows = exact(run);
  if (run.values.is_weight(run.node.operands[0])) add_decoding(run.type(0).dtype, rows);
  return rows;
}

/// Of stored weights; other casts are elementwise.
Bounded cast(const ExactRun& run) {
  if (!is_float(run.values.graph().values[run.node.results[0]].type.dtype)) return exact(run);
  Bounded all = {numbers_of(run.operand(0)), {}};
  all.error.assign(all.value.size(), 0);
  add_decoding(run.type(0).dtype, all);
  return all;
}

/// y = x · r · w, r = 1 / sqrt(mean(x²) + eps): the mean's roundings (its terms are positive: a relative error), two
/// for square and 1/D, one for eps, halved by the root; 1 ULP (two units) for rsqrt; two products.
Bounded rms_norm(const ExactRun& run) {
  const Tensor x = run.operand(0);
  const double units = (roundings_of_sum(x.shape().back()) + 4) / 2 + 4;
  return relative(in_f64(run.node, operands_of(run)), units * sum_unit(x.dtype()));
}

/// y = (x - mean) · r · w + b. The mean's error moves every element of a row alike; the variance feels its square.
Bounded layer_norm(const ExactRun& run) {
  const Tensor x = run.operand(0);
  const std::vector<double> numbers = numbers_of(x), w = numbers_of(run.operand(1)),
                            b = run.has(2) ? numbers_of(run.operand(2)) : std::vector<double>(w.size());
  const double u = sum_unit(x.dtype()), eps = std::get<double>(run.attribute("eps"));
  const std::size_t D = w.size();
  const double sum = roundings_of_sum(static_cast<std::int64_t>(D)) + 4;
  Bounded y = {in_f64(run.node, operands_of(run)), {}};
  for (std::size_t row = 0; row < numbers.size(); row += D) {
    double mean = 0, size = 0, variance = 0;
    for (std::size_t i = 0; i < D; ++i) mean += numbers[row + i], size += std::abs(numbers[row + i]);
    mean /= static_cast<double>(D), size /= static_cast<double>(D);
    for (std::size_t i = 0; i < D; ++i) variance += (numbers[row + i] - mean) * (numbers[row + i] - mean);
    variance = variance / static_cast<double>(D) + eps;
    const double of_mean = sum * u * size, scale = 1 / std::sqrt(variance);
    const double of_scale = 0.5 * (of_mean * of_mean / variance + sum * u) + 3 * u;  // relative
    for (std::size_t i = 0; i < D; ++i) {
      const double centred = std::abs(numbers[row + i] - mean), factor = std::abs(w[i]) * scale;
      // The bias is added to a product: its rounding counts.
      y.error.push_back(factor * (of_mean + centred * (of_scale + 4 * u)) + u * std::abs(y.value[row + i] - b[i]));
    }
  }
  return y;
}

/// Elements of a line along an axis: first + i · step.
template <class F>
void each_line(const Extents& shape, std::int64_t axis, const F& f) {
  const std::size_t at = axis_of(axis, shape.size());
  std::size_t inner = 1, outer = 1;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (d != at) (d < at ? outer : inner) *= static_cast<std::size_t>(shape[d]);
  const auto length = static_cast<std::size_t>(shape[at]);
  for (std::size_t o = 0; o < outer; ++o)
    for (std::size_t i = 0; i < inner; ++i) f(o * length * inner + i, inner, length);
}

/// y_i = e^(x_i - m) / Σ e^(x_j - m): the difference's rounding is in the exponent, so relative to the power; 1 ULP for
/// exp; the sum's roundings and those of its terms; division (0.8 ULP) and product.
Bounded softmax(const ExactRun& run) {
  const Tensor x = run.operand(0);
  const std::vector<double> numbers = numbers_of(x);
  const double u = sum_unit(x.dtype());
  Bounded y = {in_f64(run.node, operands_of(run)), std::vector<double>(numbers.size())};
  each_line(x.shape(), std::get<std::int64_t>(run.attribute("axis")),
            [&](std::size_t first, std::size_t step, std::size_t n) {
              double top = -INFINITY, of_sum = roundings_of_sum(static_cast<std::int64_t>(n)) + 7;
              for (std::size_t i = 0; i < n; ++i) top = std::max(top, numbers[first + i * step]);
              const auto exponent = [&](std::size_t at) { return y.value[at] == 0 ? 0 : std::abs(numbers[at] - top); };
              for (std::size_t at = first; at < first + n * step; at += step) of_sum += y.value[at] * exponent(at);
              for (std::size_t at = first; at < first + n * step; at += step)
                y.error[at] = y.value[at] * (of_sum + exponent(at)) * u;
            });
  return y;
}

/// Σ|x| · its roundings; a mean divides once more (0.8 ULP).
Bounded sum_or_mean(const ExactRun& run) {
  const Tensor x = run.operand(0);
  if (!is_float(x.dtype())) return exact(run);
  const std::vector<double> size = in_f64(run.node, {absolute(x)});
  Bounded y = {in_f64(run.node, {x}), {}};
  const std::int64_t terms = y.value.empty() ? 0 : x.count() / static_cast<std::int64_t>(y.value.size());
  for (const double s : size) y.error.push_back((roundings_of_sum(terms) + 2) * sum_unit(x.dtype()) * s);
  return y;
}

/// Each partial sum is off by the roundings of all sums before it, each of them at most a unit of Σ|x| so far; lanes
/// add their pieces in another order.
Bounded cumsum(const ExactRun& run) {
  const Tensor x = run.operand(0);
  if (!is_float(x.dtype())) return exact(run);
  const std::vector<double> size = in_f64(run.node, {absolute(x)});
  Bounded y = {in_f64(run.node, {x}), {}};
  const std::int64_t axis = std::get<std::int64_t>(run.attribute("axis"));
  const std::int64_t terms = x.shape()[axis_of(axis, x.shape().size())];
  for (const double s : size) y.error.push_back((roundings_of_sum(terms) + 2) * sum_unit(x.dtype()) * s);
  return y;
}

/// y = (a·cos − b·sin) · factor of each pair: 1 ULP (two units of at most 1) for each function, the factor's rounding,
/// two products, a sum; the angle is one product, rounded alike everywhere.
Bounded rope(const ExactRun& run) {
  const Tensor x = run.operand(0);
  const std::vector<double> numbers = numbers_of(x);
  const auto head_dim = static_cast<std::size_t>(std::get<std::int64_t>(run.attribute("head_dim")));
  const auto given = static_cast<std::size_t>(std::get<std::int64_t>(run.attribute("rotary_dim")));
  const std::size_t rotary = given == 0 ? head_dim : given, half = rotary / 2;
  const auto factor = std::get<double>(run.attribute("attention_factor"));
  Bounded y = {in_f64(run.node, operands_of(run)), std::vector<double>(numbers.size())};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::size_t d = i % head_dim;
    if (d >= rotary) continue;
    const double partner = numbers[d < half ? i + half : i - half];
    y.error[i] = (factor == 1 ? 4 : 6) * factor * sum_unit(x.dtype()) * (std::abs(numbers[i]) + std::abs(partner));
  }
  return y;
}

/// The largest scale · Σ|q·k| over all keys, for each row, head and query: how large what a score adds up may be.
std::vector<double> score_sizes(const Tensor& q, const Tensor& k, double scale) {
  const bool dense = q.shape().size() == 4;
  const auto extent = [](const Tensor& t, std::size_t d) { return static_cast<std::size_t>(t.shape()[d]); };
  const std::size_t blocks = extent(k, 0), kv_heads = extent(k, 1), keys = extent(k, 2), D = extent(k, 3);
  const std::size_t heads = dense ? extent(q, 1) : extent(q, 1) / D, queries = dense ? extent(q, 2) : 1;
  const std::vector<double> qs = numbers_of(q), ks = numbers_of(k);
  std::vector<double> sizes(qs.size() / D);
  for (std::size_t v = 0; v < sizes.size(); ++v) {
    const std::size_t head = v / queries % heads, row = v / queries / heads;
    // Which slot a row reads is not looked at: all of them bound it.
    for (std::size_t block = dense ? row : 0; block < (dense ? row + 1 : blocks); ++block)
      for (std::size_t key = 0; key < keys; ++key) {
        const double* at = ks.data() + ((block * kv_heads + head / (heads / kv_heads)) * keys + key) * D;
        double sum = 0;
        for (std::size_t d = 0; d < D; ++d) sum += std::abs(qs[v * D + d] * at[d]);
        sizes[v] = std::max(sizes[v], scale * sum);
      }
  }
  return sizes;
}

/// What is added to scores, or stands beside them: masks, slopes and sinks.
double largest_finite(const Tensor& mask) {
  if (!is_float(mask.dtype())) return 0;
  double largest = 0;
  for (const double m : numbers_of(mask)) largest = std::isfinite(m) ? std::max(largest, std::abs(m)) : largest;
  return largest;
}

/// y = Σ p_j v_j, p_j = w_j / Σ w, w_j = e^(s_j - top). What is wrong with a score is relative to its weight: of a
/// score of size S the roundings of its dot product and scale, the difference's (at most 2 S), those of softcap (1.5
/// ULP of tanh, two products) and mask; `top` is the same for all and falls out. Behind it 1 ULP for the power, a power
/// and a product for each tile of keys that fades earlier sums, and the roundings of the sums. Relative errors e_j of
/// the weights move y by Σ p_j e_j (v_j - y): at most their largest times Σ p|v| + |y|.
Bounded attention(const ExactRun& run) {
  const Tensor q = run.operand(0), k = run.operand(1);
  std::vector<Tensor> operands = operands_of(run);
  Bounded y = {in_f64(run.node, operands), {}};
  operands[2] = absolute(operands[2]);
  const std::vector<double> size = in_f64(run.node, operands);
  const std::int64_t D = k.shape()[3], keys = k.shape()[2];
  const double given = std::get<double>(run.attribute("scale"));
  const std::vector<double> scores = score_sizes(q, k, given > 0 ? given : 1 / std::sqrt(static_cast<double>(D)));
  // A sink is one key more, whose value is 0; slopes are multiplied with a distance and added, a rounding each.
  double mask = 0;
  if (run.has(3)) mask += largest_finite(operands[3]);
  if (run.has(6)) mask += largest_finite(operands[6]);
  if (run.has(7)) mask += 2 * largest_finite(operands[7]) * static_cast<double>(keys);
  const double u = unit(DType::f32);
  const double capped = std::get<double>(run.attribute("softcap")) > 0 ? 5 : 0;
  for (std::size_t i = 0; i < y.value.size(); ++i) {
    const double S = scores[i / static_cast<std::size_t>(D)];
    // In bf16: kernels/attention.h.
    const double rounded = run.bf16_scores ? 0x1.02p-7 : 0x1p-14;
    const double of_score =
        ((roundings_of_sum(D) + 2 + capped) * S + 3 * (S + mask)) * u + (run.bf16 ? rounded * S : 0);
    const double of_weight = std::expm1(of_score) + (4 * roundings_of_sum(keys) + 6) * u + (run.bf16 ? 0x1.02p-7 : 0);
    y.error.push_back(of_weight * (size[i] + std::abs(y.value[i])));
  }
  return y;
}

/// Could finite terms of sums or of products of operands overflow f32 on their way to this result?
bool may_overflow(const ExactRun& run) {
  double largest = 1, terms = 1;
  for (const Tensor& operand : operands_of(run)) {
    if (!is_float(operand.dtype()) && !is_block(operand.dtype())) continue;
    terms = std::max(terms, static_cast<double>(operand.count()));
    for (const double x : numbers_of(operand))
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  }
  return terms * largest * largest >= 0x1p127;
}

/// What operands make NaN or infinite is so in any order of adding; 8-bit blocks of an infinity are NaN.
void settle(const ExactRun& run, Bounded& b) {
  const auto open = [&](std::size_t i) { return !std::isfinite(b.value[i]) && b.error[i] != 0; };
  std::optional<bool> overflows;
  for (std::size_t i = 0; i < b.value.size(); ++i) {
    if (!open(i)) continue;
    if (std::isnan(b.value[i])) {
      b.error[i] = 0;
      continue;
    }
    if (!overflows) overflows = may_overflow(run);
    b.error[i] = run.int8 || *overflows ? INFINITY : 0;
  }
}

struct Row {
  std::string_view op;
  Bounded (*bound)(const ExactRun&);
};
constexpr std::array kRows = {
    Row{"matmul", product_bound}, Row{"linear", product_bound}, Row{"rms_norm", rms_norm},
    Row{"layer_norm", layer_norm}, Row{"softmax", softmax}, Row{"sum", sum_or_mean}, Row{"mean", sum_or_mean},
    Row{"rope", rope}, Row{"cast", cast}, Row{"sdpa", attention}, Row{"gather", gather}, Row{"cumsum", cumsum},
    Row{"expert_matmul", expert_bound}, Row{"affine", exact},
    // Elements are moved, compared or counted: equal bits.
    Row{"reduce_max", exact}, Row{"reduce_min", exact}, Row{"argmax", exact}, Row{"argmin", exact},
    Row{"transpose", exact},
    // One factor after the other, everywhere: each rounding is the same.
    Row{"prod", exact}, Row{"slice", exact}, Row{"broadcast", exact}, Row{"concat", exact}, Row{"reshape", exact},
    Row{"flip", exact}, Row{"top_k", exact}, Row{"sort", exact}, Row{"scatter", exact}, Row{"iota", exact},
    Row{"kv_read", exact}, Row{"state_read", exact}, Row{"fill", exact}};

}  // namespace

bool has_minimum(DType dtype) {
  return kernels::has_block_code(dtype) && kernels::block_code(dtype).minimum != nullptr;
}

std::vector<Tensor> operands_of(const ExactRun& run) {
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < run.node.operands.size(); ++i) all.push_back(run.has(i) ? run.operand(i) : Tensor());
  return all;
}

Tensor absolute(const Tensor& tensor) {
  std::vector<double> numbers = numbers_of(tensor);
  for (double& x : numbers) x = std::abs(x);
  return Tensor(numbers, tensor.shape());
}

std::vector<double> in_f64(const Node& node, const std::vector<Tensor>& operands) {
  GraphBuilder b;
  std::vector<OptionalIn> in;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    OptionalIn& operand = in.emplace_back();
    if (node.operands[i] != kNoValue) operand.emplace(b.constant(in_doubles(operands[i])));
  }
  return numbers_of(eval(apply(*node.op, in, node.attributes, {.state = {}, .draft = {}}, node.at).front()));
}

Bounded op_bound(const ExactRun& run) {
  const auto row = std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return r.op == run.node.op->name; });
  if (row == kRows.end())
    fail_at(run.node.at, ErrorCode::internal, "[check] {} has no bound: a row of op_bounds.cpp is missing",
            run.node.op->name);
  Bounded b = row->bound(run);
  settle(run, b);
  return b;
}

}  // namespace openinfer::check
