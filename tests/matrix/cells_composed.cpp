// SPDX-License-Identifier: Apache-2.0
// Functions of ops.h that are made of several operators, as a whole.
#include "openinfer/ops.h"
#include "tests/matrix/operators.h"

namespace openinfer::matrix {
namespace {

/// Products of K numbers up to 1, added in any order on both sides.
Bound product_of(CellGraph& c, double K, const Shape& shape) {
  return sum_bound(2 * K + 4, [=, &c] { return fill(c.b(), shape, K, f64); });
}

class Composed {
 public:
  explicit Composed(std::vector<Cell>& to) : to_(to) {}
  void operator()(const char* form, std::function<void(CellGraph&)> build) const {
    to_.push_back({.op = "composed", .dtype = "f32", .form = form, .build = std::move(build), .quick = true});
  }

 private:
  std::vector<Cell>& to_;
};

void rearranged(const Composed& add) {
  add("pad, tile, stack, split and flip", [](CellGraph& c) {
    const Value x = c.input(f16, {kN, 5}, every_value());
    const Value padded = pad(x, {{.axis = 1, .before = 2, .after = 1}, {.axis = 0, .after = 3}}, 0.5);
    c.output(tile(padded, {2, 3}));
    const std::vector<Value> parts = split(padded, {3, 5}, 1);
    c.output(stack({flip(parts[1], {0}), slice(tile(parts[0], {1, 2}), {.axis = 1, .begin = 1, .end = 6})}, 1));
    c.output(permute(unsqueeze(x, {1}), {-1, 1, 0}));
  });
  add("one_hot", [](CellGraph& c) { c.output(one_hot(c.input(i32, {kN, 2}, ids(9)), 7)); });
}

void products(const Composed& add) {
  add("einsum of matrices, turned", [](CellGraph& c) {
    const Value a = c.input(f32, {3, kN, 17}), b = c.input(f32, {17, 3, 5});
    c.output(einsum("bij,jbk->kbi", {a, b}), product_of(c, 17, {5, 3, kN}));
  });
  add("einsum of integers", [](CellGraph& c) {
    const Value a = c.input(i32, {kN, 7}, every_value()), b = c.input(i32, {5, 7}, every_value());
    c.output(einsum("ij,kj->ki", {a, b}));
  });
  add("conv2d in two groups, strided, padded, spread", [](CellGraph& c) {
    const Value x = c.input(f32, {kN, 4, 9, 8}), w = c.input(f32, {6, 2, 3, 2}), bias = c.input(f32, {6});
    c.output(conv2d(x, w, {.stride = {2, 1}, .padding = {1, 0}, .dilation = {1, 3}, .groups = 2, .bias = bias}),
             product_of(c, 13, {kN, 6, 5, 5}));
  });
  add("conv1d over N", [](CellGraph& c) {
    const Value x = c.input(f32, {2, 3, kN}), w = c.input(f32, {5, 3, 3});
    c.output(conv1d(x, w, {.padding = 1}), product_of(c, 9, {2, 5, kN}));
  });
  add("pooling", [](CellGraph& c) {
    const Value x = c.input(f32, {kN, 2, 9, 7});
    const Pool2d o = {.size = {3, 2}, .stride = {2, 0}, .padding = {1, 1}};
    c.output(max_pool2d(x, o), ulp(0));
    c.output(avg_pool2d(x, o), product_of(c, 6, {kN, 2, 5, 4}));
  });
}

void drawn(const Composed& add) {
  for (const Sampling& o : {Sampling{}, Sampling{.temperature = 0.7, .top_k = 40}, Sampling{.top_p = 0.9},
                            Sampling{.temperature = 1.3, .top_k = 100, .top_p = 0.8}, Sampling{.temperature = 0}}) {
    const std::string form = "sample, temperature " + std::to_string(o.temperature) + " top_k " +
                             std::to_string(o.top_k) + " top_p " + std::to_string(o.top_p);
    add(form.c_str(), [o](CellGraph& c) {
      const Value step = c.input(i32, {}, ids(1000)), seed = c.input(u64, {}, every_value());
      c.output(sample(c.input(f32, {kN, 1003}, noise(12)), step, seed, o));
      c.output(sample(c.input(f16, {kN, 33}, noise(3)), step, seed, o));
    });
  }
}

void quantized(const Composed& add) {
  add("quantize and back", [](CellGraph& c) {
    const auto [q, d] = quantize(c.input(f32, {kN, 64}));
    // Without exact division a quotient beside a half may go to the next step, 1 / 127 of numbers up to 1.
    const Bound steps = sum_bound((1 << 24) / 126.0, [&c] { return fill(c.b(), {kN, 64}, 1.0, f64); });
    c.output(dequantize(q, d), c.promise().exact_division ? exact() : steps);
  });
}

}  // namespace

void composed_cells(std::vector<Cell>& to) {
  rearranged(Composed(to));
  products(Composed(to));
  drawn(Composed(to));
  quantized(Composed(to));
}

}  // namespace openinfer::matrix
