// SPDX-License-Identifier: Apache-2.0
// y[n, m] = Σ_k x[n, k] · W[k, m], for one or several W over the same x, with elementwise operators behind it.
// Sums are f32 (f64 where x is f64), in lanes and blocks: reassociated against the reference, each product rounded
// once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/kernel_template.h"
#include "codegen/kernels/pointwise.h"

namespace openinfer::kernels {

struct Product {
  struct Weight {
    std::string name;  // of its buffer: "wq"
    DType dtype;
    Extent columns;         // M
    bool by_rows = true;    // stored (M, K): a column of W lies in one piece. Else (K, M).
    std::string bias = {};  // of a buffer of M floats; "": none
    DType bias_dtype = DType::f32;
    Layout layout = Layout::rows;           // panel16: by_rows, M a multiple of 16, a dtype with a PanelCode
    std::optional<AffineCode> affine = {};  // of integers
  };
  /// How several W share a dispatch. stacked: their columns lie one behind the other, each with a tail of its own.
  /// zipped: equal M, one tail sees the same column of all.
  enum class Siblings { one, stacked, zipped };

  std::string name;      // of the kernel
  std::string of = "x";  // the name of x's buffer
  DType x = DType::f32;
  Extent rows;   // N
  Extent inner;  // K, known
  std::vector<Weight> weights = {};
  Siblings siblings = Siblings::one;
  /// Each row of the result has a matrix of its own: weights are `count` matrices one behind the other, and ids i32
  /// (rows), a buffer behind x, says which. Row r reads row r / choices of x.
  struct Experts {
    std::int64_t count = 1;
    Extent choices = {1};
  };
  std::optional<Experts> experts = {};
  /// x lies in blocks of 8 bits (int8_rows.h), and quants of W are multiplied as bytes: all W by rows, with byte codes.
  bool int8 = false;
  /// x lies in rows of bf16 (apart_rows.h): all W are panels, or rows of f16 or bf16 (without matrix units also f32).
  bool bf16 = false;
  /// x lies in rows of f32 that lie apart (apart_rows.h): for outer_tiles alone.
  bool apart = false;
  bool codebooks = false;  // binds those (block_code.h): some variant of the dispatch reads iq1, iq2 or iq3
  /// Over axes (N, M): one, or one for each weight if stacked. Given: the sums of its weights, in x's compute kind.
  std::vector<Pointwise> tails = {};
};

/// Rows of W as the lanes' work: one subgroup per column, lanes split K. Up to `row_tile` rows of x at a time share
/// each decoded weight. Plain columns are read several side by side on targets of one subgroup. Needs by_rows. Asks the
/// target for (tune.NAME of a device's row):
///   columns_at_once for one row of x; what does not divide eight counts as what it has in common with it
///   columns_ahead   those that many times ahead are fetched meanwhile, in one line; 0: none
TemplateKernel matvec(const kir::Target& target, const Product& what);
/// Columns of W as lanes: for weights stored (K, M); reads the others as well.
TemplateKernel product_by_columns(const kir::Target& target, const Product& what);
/// The first that serves. Of x in bf16: outer_mma (outer_mma.h) with Target::mma, else few_rows (few_rows.h), else
/// outer_tiles (outer_tiles.h). Of others: outer_tiles, outer (outer.h) where all weights are panels, few_rows,
/// mma_product (product_mma.h) with Target::mma, matvec where all are by_rows, product_by_columns. Of experts matvec or
/// product_by_columns: a row at a time.
TemplateKernel product(const kir::Target& target, const Product& what);
/// That target as one where products have the same grid whatever floats or blocks their weights are (families' members
/// share a dispatch): no matrix units, no outer_tiles, no few_rows.
kir::Target with_one_grid(kir::Target target);

/// y[b, n, m] = Σ_k x[b, n, k] · w[b, k, m], with broadcast leading dimensions: strides of 0. Of activations, or with
/// matrices of a weight, in any stored format.
struct BatchedProduct {
  std::string name;
  DType x = DType::f32, w = DType::f32;
  std::vector<Extent> batch = {};                // leading extents of the result
  std::vector<bool> x_moves = {}, w_moves = {};  // does the operand have that extent, or is it 1 there?
  Extent rows = {}, inner = {}, columns = {};    // N, K, M
  bool w_by_rows = false;                        // w is (…, M, K)
  bool codebooks = false;                        // as Product's
  std::optional<AffineCode> affine = {};         // of w
  Pointwise tail = {};                           // over axes (batch…, N, M)
};
TemplateKernel batched_product(const kir::Target& target, const BatchedProduct& what);

}  // namespace openinfer::kernels
