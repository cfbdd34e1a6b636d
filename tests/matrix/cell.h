// SPDX-License-Identifier: Apache-2.0
// A cell of the matrix: one operator on one dtype in one form. Many cells become one graph, each with inputs and
// outputs of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "tests/matrix/runner.h"
#include "tests/matrix/values.h"
#include "tests/ops/oracle.h"

namespace openinfer::matrix {

/// What N, the symbol that every graph has, is bound to in one step after the other.
inline constexpr std::int64_t kRows[] = {65, 1, 7, 33, 0};
inline constexpr std::int64_t kMostRows = 65;
inline const Dim kN = Dim::symbol("N");

/// How far from the reference an output may be: tests/ops/oracle.h's rules. `scale`, of a sum: what the error is
/// relative to, f64 of the output's shape; only the reference computes it.
struct Bound {
  testing::Rule rule = {};
  std::function<Value()> scale = {};
};
/// The same bits, where a NaN is a NaN.
Bound exact();
/// At most n representable numbers apart, or closer than `floor`.
Bound ulp(double n, double floor = 0);
/// |got - want| ≤ c · eps · scale + one ULP.
Bound sum_bound(double c, std::function<Value()> scale);

/// A tensor of the package.
struct StoredTensor {
  DType dtype;
  Extents shape;  // logical
  bool transposed = false;
  Fill fill = noise();      // of plain dtypes
  bool every_code = false;  // of 8-bit floats: NaN, infinities and denormals too
  /// Of a quantised one: weights of the cell by number (none: -1), the stored axis, and a group or 0.
  struct Affine {
    int scale = -1, zero = -1;
    int axis = 0;
    std::int64_t group = 0;
  };
  Affine affine = {};
};

/// Of what orders and folds, the dtypes of the unit label.
inline bool is_quick(DType t) { return t == DType::f16 || t == DType::i8 || t == DType::i64 || t == DType::u32; }

class CellGraph;
struct Cell {
  std::string op;     // its name in lib/ops/list.def
  std::string dtype;  // "f32", "f16 -> u8", "f32 x q4_k"
  std::string form;   // "(N, 33) with (33)"
  std::function<void(CellGraph&)> build;
  std::vector<StoredTensor> weights = {};
  bool quick = false;      // part of what runs in the unit label
  std::int64_t least = 0;  // the smallest N for which the operator is defined
  std::string name() const { return op + " " + dtype + " " + form; }
};

/// A cell on its way into a graph.
class CellGraph {
 public:
  struct Input {
    std::string name;
    TensorType type;
    Fill fill;
  };
  struct Output {
    std::string name;
    testing::Rule rule;
  };

  /// `reference`: the graph puts out the scales of sums as well, as "<output>_scale".
  CellGraph(GraphBuilder& builder, const Model& model, const Cell& cell, std::size_t number, const Promise& promise,
            bool reference);

  GraphBuilder& b() { return builder_; }
  const Dim& N() const { return n_; }
  const Promise& promise() const { return promise_; }
  Value input(DType dtype, Shape shape, Fill fill = noise());
  /// cell.weights[i]
  Value weight(std::size_t i) { return builder_.value(model_[weight_key(number_, i)]); }
  void output(const Value& y, const Bound& bound = exact());
  /// A name that no other cell has.
  std::string own(const std::string& name) const;

  const std::vector<Input>& inputs() const { return inputs_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  static std::string weight_key(std::size_t cell, std::size_t weight);

 private:
  GraphBuilder& builder_;
  const Model& model_;
  std::size_t number_;
  Promise promise_;
  bool reference_;
  Dim n_;
  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
};

/// |x| in f64: what errors of sums are relative to.
Value size_of(const In& x);

}  // namespace openinfer::matrix
