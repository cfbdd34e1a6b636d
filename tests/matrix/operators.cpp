// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/operators.h"

#include <array>

namespace openinfer::matrix {
namespace {

constexpr std::array kPlainDtypes = {f32, f16, bf16, f64, i8, i16, i32, i64, u8, u16, u32, u64, boolean};

constexpr DTypeSet kLogic = kIntegers | kBool, kNegatable = kFloats | kSigned;
const std::array kOperators = {
    Operator{"abs", "elementwise", kNegatable, elementwise_cells},
    Operator{"add", "elementwise", kNumbers, elementwise_cells},
    Operator{"affine", "convert", kIntegers, affine_cells},
    Operator{"all", "reduce", kBool, truth_cells},
    Operator{"and", "elementwise", kLogic, elementwise_cells},
    Operator{"any", "reduce", kBool, truth_cells},
    Operator{"argmax", "reduce", kNumbers, argmax_cells},
    Operator{"argmin", "reduce", kNumbers, argmax_cells},
    Operator{"broadcast", "move", kPlain, move_cells},
    Operator{"cast", "convert", kPlain, cast_cells},
    Operator{"ceil", "elementwise", kFloats, elementwise_cells},
    Operator{"clamp", "elementwise", kNumbers, elementwise_cells},
    Operator{"concat", "move", kPlain, concat_cells},
    Operator{"cos", "elementwise", kFloats, elementwise_cells},
    Operator{"cumsum", "order", kNumbers, cumsum_cells},
    Operator{"div", "elementwise", kFloats, elementwise_cells},
    Operator{"eq", "compare", kPlain, elementwise_cells},
    Operator{"erf", "elementwise", kFloats, elementwise_cells},
    Operator{"exp", "elementwise", kFloats, elementwise_cells},
    Operator{"expert_matmul", "product", kFloats, expert_matmul_cells},
    Operator{"expm1", "elementwise", kFloats, elementwise_cells},
    Operator{"fill", "convert", kPlain, fill_cells},
    Operator{"fixed_exp2", "elementwise", kSigned, elementwise_cells},
    Operator{"flip", "move", kPlain, move_cells},
    Operator{"floor", "elementwise", kFloats, elementwise_cells},
    Operator{"floor_div", "elementwise", kNumbers, elementwise_cells},
    Operator{"fma", "elementwise", kFloats, elementwise_cells},
    Operator{"gather", "move", kPlain, gather_cells},
    Operator{"ge", "compare", kPlain, elementwise_cells},
    Operator{"gelu", "elementwise", kFloats, elementwise_cells},
    Operator{"gelu_tanh", "elementwise", kFloats, elementwise_cells},
    Operator{"group_norm", "reduce", kFloats, group_norm_cells},
    Operator{"gt", "compare", kPlain, elementwise_cells},
    Operator{"iota", "convert", kNumbers, iota_cells},
    Operator{"is_finite", "compare", kFloats, elementwise_cells},
    Operator{"is_inf", "compare", kFloats, elementwise_cells},
    Operator{"is_nan", "compare", kFloats, elementwise_cells},
    Operator{"is_neg", "compare", kNegatable, elementwise_cells},
    Operator{"kv_read", "attention", kFloats, kv_cells},
    Operator{"kv_write", "attention", kFloats, kv_cells},
    Operator{"l2_norm", "reduce", kFloats, softmax_cells},
    Operator{"layer_norm", "reduce", kFloats, norm_cells},
    Operator{"le", "compare", kPlain, elementwise_cells},
    Operator{"linear", "product", kFloats, linear_cells},
    Operator{"log", "elementwise", kFloats, elementwise_cells},
    Operator{"log1p", "elementwise", kFloats, elementwise_cells},
    Operator{"log_softmax", "reduce", kFloats, softmax_cells},
    Operator{"logsumexp", "reduce", kFloats, logsumexp_cells},
    Operator{"lt", "compare", kPlain, elementwise_cells},
    Operator{"matmul", "product", kFloats, matmul_cells},
    Operator{"max", "elementwise", kNumbers, elementwise_cells},
    Operator{"mean", "reduce", kFloats, reduce_cells},
    Operator{"min", "elementwise", kNumbers, elementwise_cells},
    Operator{"mul", "elementwise", kNumbers, elementwise_cells},
    Operator{"ne", "compare", kPlain, elementwise_cells},
    Operator{"neg", "elementwise", kNegatable, elementwise_cells},
    Operator{"not", "elementwise", kLogic, elementwise_cells},
    Operator{"or", "elementwise", kLogic, elementwise_cells},
    Operator{"popcount", "elementwise", kIntegers, elementwise_cells},
    Operator{"pow", "elementwise", kFloats, elementwise_cells},
    Operator{"prod", "reduce", kNumbers, reduce_cells},
    Operator{"random_below", "elementwise", kUnsigned, elementwise_cells},
    Operator{"recip", "elementwise", kFloats, elementwise_cells},
    Operator{"reduce_max", "reduce", kNumbers, reduce_cells},
    Operator{"reduce_min", "reduce", kNumbers, reduce_cells},
    Operator{"relu", "elementwise", kNegatable, elementwise_cells},
    Operator{"rem", "elementwise", kNumbers, elementwise_cells},
    Operator{"reshape", "move", kPlain, move_cells},
    Operator{"rms_norm", "reduce", kFloats, norm_cells},
    Operator{"rope", "attention", kFloats, rope_cells},
    Operator{"round", "elementwise", kFloats, elementwise_cells},
    Operator{"rsqrt", "elementwise", kFloats, elementwise_cells},
    Operator{"scatter", "order", kPlain, scatter_cells},
    Operator{"sdpa", "attention", kFloats, sdpa_cells},
    Operator{"select", "compare", kPlain, select_cells},
    Operator{"shl", "elementwise", kIntegers, elementwise_cells},
    Operator{"shr", "elementwise", kIntegers, elementwise_cells},
    Operator{"sigmoid", "elementwise", kFloats, elementwise_cells},
    Operator{"sign", "elementwise", kNegatable, elementwise_cells},
    Operator{"silu", "elementwise", kFloats, elementwise_cells},
    Operator{"sin", "elementwise", kFloats, elementwise_cells},
    Operator{"slice", "move", kPlain, move_cells},
    Operator{"softmax", "reduce", kFloats, softmax_cells},
    Operator{"softplus", "elementwise", kFloats, elementwise_cells},
    Operator{"sort", "order", kNumbers, sort_cells},
    Operator{"sqrt", "elementwise", kFloats, elementwise_cells},
    Operator{"state_read", "attention", kPlain, state_cells},
    Operator{"state_write", "attention", kPlain, state_cells},
    Operator{"sub", "elementwise", kNumbers, elementwise_cells},
    Operator{"sum", "reduce", kNumbers, reduce_cells},
    Operator{"tanh", "elementwise", kFloats, elementwise_cells},
    Operator{"top_k", "order", kNumbers, top_k_cells},
    Operator{"transpose", "move", kPlain, move_cells},
    Operator{"trunc", "elementwise", kFloats, elementwise_cells},
    Operator{"xor", "elementwise", kLogic, elementwise_cells},
};

}  // namespace

std::span<const Operator> operators() { return kOperators; }
std::span<const DType> plain_dtypes() { return kPlainDtypes; }

std::vector<Cell> all_cells(std::string_view group) {
  std::vector<Cell> cells;
  for (const Operator& op : kOperators)
    for (const DType t : kPlainDtypes)
      if (contains(op.takes, t) && (group.empty() || op.group == group)) op.cells(op, t, cells);
  if (group.empty() || group == "fused") fused_cells(cells);
  if (group.empty() || group == "composed") composed_cells(cells);
  return cells;
}

}  // namespace openinfer::matrix
