// SPDX-License-Identifier: Apache-2.0
// matmul, linear and expert_matmul: every dtype of x with every format of w, stored either way.
#include <fmt/format.h>

#include "openinfer/ops.h"
#include "tests/matrix/operators.h"
#include "tests/matrix/stored_formats.h"

namespace openinfer::matrix {
namespace {

/// K products in any order: K roundings of sums and products that are at most Σ|x·w|, on both sides. A kernel sums
/// scale · quant and minimum of a block apart, each at most as large as the largest |w| (four times that where signs
/// differ), and rounds scales to f32. Blocks are decoded to f32 whatever x is.
Bound product_bound(DType x, DType w, double K, std::function<Value(bool parts)> scale) {
  const bool blocks = is_block(w);
  const double c = 2 * (K + (blocks ? 8 : 1)) * (x == f64 && blocks ? 0x1p29 : 1);
  const bool parts = blocks && has_minimum(w);
  return sum_bound(c, [=] { return scale(parts); });
}

/// Σ|x·w|, or 4 · max|w| · Σ|x| for each column.
Value product_scale(const Value& x, const In& w, bool transpose_w, bool parts) {
  const Value size = size_of(w);
  if (!parts) return matmul(size_of(x), size, {.transpose_w = transpose_w});
  return matmul(size_of(x), size * 0.0 + max(size, Over{}) * 4.0, {.transpose_w = transpose_w});
}

struct Sizes {
  std::int64_t K, M;
};

class ProductCells {
 public:
  ProductCells(const Operator& row, std::vector<Cell>& to) : row_(row), to_(to) {}
  void add(DType x, DType w, const std::string& form, std::function<void(CellGraph&)> build, bool quick,
           std::vector<StoredTensor> weights = {}) {
    to_.push_back({.op = std::string(row_.name),
                   .dtype = fmt::format("{} x {}", name(x), name(w)),
                   .form = form,
                   .build = std::move(build),
                   .weights = std::move(weights),
                   .quick = quick});
  }

 private:
  const Operator& row_;
  std::vector<Cell>& to_;
};

/// y = matmul(x, weight) with x of that shape.
std::function<void(CellGraph&)> with_weight(DType t, DType w, Shape x, Sizes s, bool transpose_w = false) {
  return [=](CellGraph& c) {
    const Value v = c.input(t, x);
    const Value y = matmul(v, c.weight(0), {.transpose_w = transpose_w});
    c.output(y, product_bound(t, w, static_cast<double>(s.K),
                              [=, &c](bool parts) { return product_scale(v, c.weight(0), transpose_w, parts); }));
  };
}

/// Both operands are activations.
std::function<void(CellGraph&)> with_values(DType t, DType u, Shape x, Shape w, double K, bool transpose_w = false) {
  return [=](CellGraph& c) {
    const Value a = c.input(t, x), b = c.input(u, w);
    c.output(matmul(a, b, {.transpose_w = transpose_w}),
             product_bound(t, u, K, [=](bool) { return product_scale(a, b, transpose_w, false); }));
  };
}

/// Of blocks; of elements that share bytes (five of t1), with whole bytes a row and no whole vectors.
std::int64_t stored_width(DType w, std::int64_t of_blocks) {
  return is_block(w) ? of_blocks : (of_blocks / 40 + 1) * 40;
}

void add_block_products(ProductCells& cells, DType t, DType w) {
  const bool quick = t == f32;
  const Fill fill = is_int(w) ? every_value() : noise();  // of plain dtypes
  const std::int64_t K = stored_width(w, 512), L = stored_width(w, 256);
  cells.add(t, w, "(N, K) with (K, 33) by rows", with_weight(t, w, {kN, K}, {K, 33}), quick,
            {{w, {K, 33}, true, fill}});
  cells.add(t, w, "(K) with (K, 7) by rows", with_weight(t, w, {K}, {K, 7}), false, {{w, {K, 7}, true, fill}});
  cells.add(t, w, "(N, 33) with (33, M) by columns", with_weight(t, w, {kN, 33}, {33, K}), false,
            {{w, {33, K}, false, fill}});
  cells.add(t, w, "(3, 5, K) with (65, K) transposed", with_weight(t, w, {3, 5, L}, {L, 65}, true), false,
            {{w, {65, L}, false, fill}});
  cells.add(t, w, "(N, K) with (2, K, 7) by rows", with_weight(t, w, {kN, L}, {L, 7}), quick && w == DType::q4_1,
            {{w, {2, L, 7}, true, fill}});
  cells.add(t, w, "(5, 7) with (2, 7, M) by columns", with_weight(t, w, {5, 7}, {7, L}), false,
            {{w, {2, 7, L}, false, fill}});
}

/// Affine weights (K, M), read through: what they stand for has the same bits on both sides.
void add_affine_products(ProductCells& cells, DType t, DType q) {
  constexpr std::int64_t K = 80, M = 40;
  for (const QuantisedForm& form : quantised_forms(q, K, M))
    cells.add(
        t, q, "(N, K) with affine (K, M) " + form.name,
        [=](CellGraph& c) {
          const Value x = c.input(t, {kN, K}), w = c.weight(0);
          c.output(matmul(x, w), product_bound(t, f32, static_cast<double>(K),
                                               [=](bool) { return product_scale(x, w, false, false); }));
        },
        t == f32 && q == DType::u4, form.weights);
}

}  // namespace

void matmul_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  ProductCells cells(row, to);
  for (const DType u : {f32, f16, bf16, f64}) {
    if (u == f64 && t != f64) continue;
    const bool quick = u == f32;
    cells.add(t, u, "(N, 33) with (33, 65)", with_values(t, u, {kN, 33}, {33, 65}, 33), quick);
    cells.add(t, u, "(N, 33) with (65, 33) transposed", with_values(t, u, {kN, 33}, {65, 33}, 33, true), quick);
    cells.add(t, u, "(3, N, 7) with (3, 7, 5)", with_values(t, u, {3, kN, 7}, {3, 7, 5}, 7), quick);
    cells.add(t, u, "(2, 1, N, 33) with (3, 33, 7)", with_values(t, u, {2, 1, kN, 33}, {3, 33, 7}, 33), false);
    cells.add(t, u, "(N, 5, 33) with (7, 33) transposed", with_values(t, u, {kN, 5, 33}, {7, 33}, 33, true), false);
    cells.add(t, u, "(2, 7, N) with (2, N, 5)", with_values(t, u, {2, 7, kN}, {2, kN, 5}, 65), false);
    cells.add(t, u, "(7, N) with (N, 5)", with_values(t, u, {7, kN}, {kN, 5}, 65), true);
    cells.add(t, u, "(33) with (33, 65)", with_values(t, u, {33}, {33, 65}, 33), false);
    cells.add(t, u, "(1, 1) with (1, 1)", with_values(t, u, {1, 1}, {1, 1}, 1), false);
    cells.add(t, u, "(N, 130) with weight (130, 33) by rows", with_weight(t, u, {kN, 130}, {130, 33}), quick,
              {{u, {130, 33}, true}});
    cells.add(t, u, "(N, 130) with weight (130, 33) by columns", with_weight(t, u, {kN, 130}, {130, 33}), quick,
              {{u, {130, 33}}});
    cells.add(t, u, "(5, 7) with weight (2, 7, 33)", with_weight(t, u, {5, 7}, {7, 33}), false, {{u, {2, 7, 33}}});
    cells.add(t, u, "(N, 7) with weight (2, 7, 33) stored transposed", with_weight(t, u, {kN, 7}, {7, 33}), false,
              {{u, {2, 7, 33}, true}});
  }
  for (const DType format : stored_formats()) add_block_products(cells, t, format);
  for (const DType integer : {i8, u8}) add_block_products(cells, t, integer);
  if (t == f32 || t == f64)
    for (const DType q : {i8, DType::i4, DType::u4, DType::i2}) add_affine_products(cells, t, q);
  cells.add(t, DType::i4, "(N, K) with affine (2, K, 7), a batch per channel",
            [=](CellGraph& c) {
              const Value x = c.input(t, {kN, 8}), w = c.weight(0);
              c.output(matmul(x, w), product_bound(t, f32, 8, [=](bool) { return product_scale(x, w, false, false); }));
            },
            t == f32, {{DType::i4, {2, 8, 7}, true, {}, false, {1, -1, 1, 0}}, {f32, {7}}});
}

void linear_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  ProductCells cells(row, to);
  const auto biased = [=](DType w, DType bias, Shape x, Shape shape, bool stored) {
    return [=](CellGraph& c) {
      const double K = static_cast<double>(shape[0].constant());
      const Value v = c.input(t, x), b = c.input(bias, {shape[1]});
      const Value weight = stored ? c.weight(0) : c.input(w, shape);
      c.output(linear(v, weight, b), product_bound(t, w, K + 1, [=](bool parts) {
                 return product_scale(v, weight, false, parts) + size_of(b);
               }));
    };
  };
  for (const DType w : {f32, f16, bf16, f64}) {
    if (w == f64 && t != f64) continue;
    cells.add(t, w, "(N, 33) with (33, 65)", biased(w, f32, {kN, 33}, {33, 65}, false), true);
    cells.add(t, w, "(33) with (33, 7), bias f16", biased(w, f16, {33}, {33, 7}, false), false);
    cells.add(t, w, "(2, N, 33) with weight (33, 65) by rows", biased(w, f32, {2, kN, 33}, {33, 65}, true), false,
              {{w, {33, 65}, true}});
  }
  for (const DType format : stored_formats()) {
    const std::int64_t K = stored_width(format, 256);
    cells.add(t, format, "(N, K) with (K, 33) by rows", biased(format, t, {kN, K}, {K, 33}, true),
              t == f16 && (format == DType::q4_k || format == DType::q8_0), {{format, {K, 33}, true}});
  }
}

void expert_matmul_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  ProductCells cells(row, to);
  constexpr std::int64_t kExperts = 5;
  const auto build = [=](DType w, double K, Shape x, Shape shape, bool stored) {
    return [=](CellGraph& c) {
      const Value v = c.input(t, x), chosen = c.input(i32, {kN, 2}, ids(kExperts));
      const Value weight = stored ? c.weight(0) : c.input(w, shape);
      c.output(expert_matmul(v, weight, chosen), product_bound(t, w, K, [=](bool parts) {
                 const Value size = size_of(weight);
                 return expert_matmul(size_of(v), parts ? size * 0.0 + max(size, Over{}) * 4.0 : size, chosen);
               }));
    };
  };
  for (const DType w : {f32, f16, bf16, f64}) {
    if (w == f64 && t != f64) continue;
    cells.add(t, w, "(N, 33) with (5, 33, 65)", build(w, 33, {kN, 33}, {kExperts, 33, 65}, false), w == f32);
    cells.add(t, w, "(N, 2, 33) with weight (5, 33, 7) by rows", build(w, 33, {kN, 2, 33}, {}, true), w == f32,
              {{w, {kExperts, 33, 7}, true}});
    cells.add(t, w, "(N, 33) with weight (5, 33, 65) by columns", build(w, 33, {kN, 33}, {}, true), false,
              {{w, {kExperts, 33, 65}}});
  }
  cells.add(t, f32, "(N, 2, N) with (5, N, 7)", build(f32, 65, {kN, 2, kN}, {kExperts, kN, 7}, false), false);
  for (const DType format : stored_formats())
    if (is_block(format) || is_float(format))
      cells.add(t, format, "(N, 256) with weight (5, 256, 33) by rows", build(format, 256, {kN, 256}, {}, true),
                t == f32 && (format == DType::q4_k || format == DType::q8_0 || format == DType::mxfp4),
                {{format, {kExperts, 256, 33}, true}});
}

}  // namespace openinfer::matrix
