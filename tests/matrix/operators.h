// SPDX-License-Identifier: Apache-2.0
// The rows of the matrix: one for each line of lib/ops/list.def.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "lib/ops/dtypes.h"
#include "tests/matrix/cell.h"

namespace openinfer::matrix {

struct Operator {
  std::string_view name;
  std::string_view group;  // of the ctest entry that runs its cells
  DTypeSet takes;          // dtypes of the operand, or attribute, that `cells` is asked for
  /// Appends the cells for one dtype. The first one needs no package; for a dtype beyond `takes` its graph is refused.
  void (*cells)(const Operator& op, DType t, std::vector<Cell>& to);
};

/// In the order of list.def.
std::span<const Operator> operators();
/// All that are plain.
std::span<const DType> plain_dtypes();

/// Cells of the operators of a group; "": of all. With those of several operators in one kernel, "fused", and
/// functions made of several, "composed".
std::vector<Cell> all_cells(std::string_view group = {});

// One for each family of operators: cells_<family>.cpp.
void elementwise_cells(const Operator& op, DType t, std::vector<Cell>& to);
void select_cells(const Operator& op, DType t, std::vector<Cell>& to);
void cast_cells(const Operator& op, DType t, std::vector<Cell>& to);
void affine_cells(const Operator& op, DType t, std::vector<Cell>& to);
/// Quantised weights (K, M) of that dtype: per tensor, channel and group, with and without zero point, stored either
/// way. The first is the tensor.
struct QuantisedForm {
  std::string name;
  std::vector<StoredTensor> weights;
};
std::vector<QuantisedForm> quantised_forms(DType dtype, std::int64_t rows, std::int64_t columns);
void fill_cells(const Operator& op, DType t, std::vector<Cell>& to);
void iota_cells(const Operator& op, DType t, std::vector<Cell>& to);
void gather_cells(const Operator& op, DType t, std::vector<Cell>& to);
void move_cells(const Operator& op, DType t, std::vector<Cell>& to);
void concat_cells(const Operator& op, DType t, std::vector<Cell>& to);
void reduce_cells(const Operator& op, DType t, std::vector<Cell>& to);
void argmax_cells(const Operator& op, DType t, std::vector<Cell>& to);
void truth_cells(const Operator& op, DType t, std::vector<Cell>& to);
void logsumexp_cells(const Operator& op, DType t, std::vector<Cell>& to);
void group_norm_cells(const Operator& op, DType t, std::vector<Cell>& to);
void softmax_cells(const Operator& op, DType t, std::vector<Cell>& to);
void norm_cells(const Operator& op, DType t, std::vector<Cell>& to);
void top_k_cells(const Operator& op, DType t, std::vector<Cell>& to);
void sort_cells(const Operator& op, DType t, std::vector<Cell>& to);
void cumsum_cells(const Operator& op, DType t, std::vector<Cell>& to);
void scatter_cells(const Operator& op, DType t, std::vector<Cell>& to);
void matmul_cells(const Operator& op, DType t, std::vector<Cell>& to);
void linear_cells(const Operator& op, DType t, std::vector<Cell>& to);
void expert_matmul_cells(const Operator& op, DType t, std::vector<Cell>& to);
void rope_cells(const Operator& op, DType t, std::vector<Cell>& to);
void sdpa_cells(const Operator& op, DType t, std::vector<Cell>& to);
void kv_cells(const Operator& op, DType t, std::vector<Cell>& to);
void state_cells(const Operator& op, DType t, std::vector<Cell>& to);
void fused_cells(std::vector<Cell>& to);
void composed_cells(std::vector<Cell>& to);

}  // namespace openinfer::matrix
