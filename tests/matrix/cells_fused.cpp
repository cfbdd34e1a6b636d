// SPDX-License-Identifier: Apache-2.0
// Several operators in one kernel: every kind of group that lib/passes/fused_group.h has, and integers whose overflow a
// compiler sees through.
#include "openinfer/ops.h"
#include "tests/matrix/operators.h"

namespace openinfer::matrix {
namespace {

/// What a product of K numbers up to 1 may be off by behind functions whose slope is at most 1.2, relative to K.
Bound behind_product(CellGraph& c, double K, const Shape& shape) {
  return sum_bound(4 * K + 16, [=, &c] { return fill(c.b(), shape, K, f64); });
}

void overflows(DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const Shape& shape, Value (*f)(const Value& x)) {
    to.push_back({.op = "fused",
                  .dtype = std::string(name(t)),
                  .form = form,
                  .build = [=](CellGraph& c) { c.output(f(c.input(t, shape, every_value()))); },
                  .quick = true});
  };
  // A compiler that takes overflow for impossible says true, false, false.
  for (const bool scalar : {false, true}) {
    const Shape shape = scalar ? Shape{} : Shape{kN, 33};
    add(scalar ? "() x + 1 > x" : "(N, 33) x + 1 > x", shape, [](const Value& x) { return gt(x + 1, x); });
    add(scalar ? "() |x| < 0" : "(N, 33) |x| < 0", shape, [](const Value& x) { return lt(abs(x), 0); });
    add(scalar ? "() x * 2 < x - -x" : "(N, 33) x * 2 < x - -x", shape,
        [](const Value& x) { return lt(x * 2, x - (-x)); });
  }
}

/// Adds a cell of the unit label.
class Adder {
 public:
  explicit Adder(std::vector<Cell>& to) : to_(to) {}
  void operator()(const char* dtype, const char* form, std::function<void(CellGraph&)> build,
                  std::vector<StoredTensor> weights = {}) const {
    to_.push_back({.op = "fused",
                   .dtype = dtype,
                   .form = form,
                   .build = std::move(build),
                   .weights = std::move(weights),
                   .quick = true});
  }

 private:
  std::vector<Cell>& to_;
};

void chains(const Adder& add) {
  add("f32", "(N, 33) a chain with two results, a row and a column", [](CellGraph& c) {
    const Value x = c.input(f32, {kN, 33}), row = c.input(f32, {33}), column = c.input(f32, {kN, 1});
    const Value a = abs(x * row + 0.5) - column;
    c.output(max(a, row));
    c.output(a);
  });
  add("f16", "(N, 33) through f16", [](CellGraph& c) {
    // Within a kernel nothing is rounded to f16: half a ULP of numbers up to 1 is 2^-12, and an eps is 2^-24.
    c.output(cast(cast(c.input(f32, {kN, 33}), f16), f32) * 3.0, sum_bound(3 << 12, [&] {
               return fill(c.b(), {kN, 33}, 1.0, f64);
             }));
  });
  add("f32", "a reduction and what follows", [](CellGraph& c) {
    const Value x = c.input(i32, {kN, 33}, every_value());
    c.output(sum(x, {.axes = {1}}) * 3 - c.input(i32, {kN}, every_value()));
  });
  add("f32", "gathered rows and what follows",
      [](CellGraph& c) {
        const Value rows = gather(c.weight(0), c.input(i32, {kN}, ids(40)));
        c.output(rows * 2.0 - c.input(f32, {64}), ulp(0));
      },
      {{DType::q4_0, {40, 64}}});
  add("f32", "a loop's index among operands", [](CellGraph& c) {
    const Value table = c.input(f32, {9, 33});
    c.output(c.b().loop(c.own("l"), -1, 4, c.input(f32, {kN, 33}), [&](Index l, Value x) {
      return x * cast(c.b().value(2 * l - 1), f32) + gather(table, l + 3);
    }));
  });
}

void around_products(const Adder& add) {
  add("f32", "norm, q k v, one of them with a tail",
      [](CellGraph& c) {
        const Value h = rms_norm(c.input(f32, {kN, 64}), c.input(f32, {64}));
        c.output(matmul(h, c.weight(0)), behind_product(c, 8 * 64, {kN, 33}));
        c.output(matmul(h, c.weight(1)), behind_product(c, 8 * 64, {kN, 7}));
        c.output(relu(matmul(h, c.weight(2)) + c.input(f32, {33})), behind_product(c, 8 * 64, {kN, 33}));
      },
      {{f32, {64, 33}, true}, {f32, {64, 7}, true}, {f32, {64, 33}, true}});
  add("q8_0", "gate and up, silu times",
      [](CellGraph& c) {
        const Value x = c.input(f32, {kN, 64});
        c.output(tanh(silu(matmul(x, c.weight(0)))) * tanh(matmul(x, c.weight(1))),
                 behind_product(c, 4 * 64, {kN, 33}));
      },
      {{DType::q8_0, {64, 33}, true}, {DType::q8_0, {64, 33}, true}});
  add("f16", "residual behind a product", [](CellGraph& c) {
    const Value x = c.input(f16, {kN, 33}), h = c.input(f16, {kN, 65});
    // The simulator rounds the product to f16: half a ULP of numbers up to 33 is 2^-6, and an eps is 2^-24.
    c.output(h + matmul(x, c.input(f16, {33, 65})), sum_bound(1 << 18, [=, &c] {
               return fill(c.b(), {kN, 65}, 1.0, f64);
             }));
  });
}

}  // namespace

void fused_cells(std::vector<Cell>& to) {
  for (const DType t : {i8, i32, i64}) overflows(t, to);
  chains(Adder(to));
  around_products(Adder(to));
}

}  // namespace openinfer::matrix
