// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "lib/base/checked.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/dtypes.h"
#include "lib/ops/lower.h"
#include "lib/ops/product.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

enum ExpertOperand : std::size_t { kExpertX, kExperts, kExpertIds };

std::vector<TensorType> infer_expert_matmul(const InferContext& c) {
  const TensorType &x = c.type(kExpertX), &w = c.type(kExperts), &ids = c.type(kExpertIds);
  const bool shared = x.shape.size() == 2;
  if ((!shared && x.shape.size() != 3) || w.shape.size() != 3 || ids.shape.size() != 2 || x.shape[0] != ids.shape[0] ||
      (!shared && x.shape[1] != ids.shape[1]) || w.shape[0] == Dim(0))  // [C1]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("takes x (N, K) or (N, J, K), w (E, K, M) and ids (N, J), not {} {}, {} {} and {} {}",
                       c.describe(kExpertX), to_string(x.shape), c.describe(kExperts), to_string(w.shape),
                       c.describe(kExpertIds), to_string(ids.shape)));
  if (x.shape.back() != w.shape[1])  // [C2]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("K differs: lhs {} vs rhs {} {}", to_string(x.shape), to_string(w.shape), c.describe(kExperts)));
  check_product_dtypes(c);  // [C3]
  if (ids.dtype != i32)     // [C4]
    c.fail(ErrorCode::dtype_mismatch, fmt::format("ids are i32, not {} {}", c.describe(kExpertIds), ids.to_string()));
  return {{x.dtype, {ids.shape[0], ids.shape[1], w.shape[2]}}};
}

void reference_expert_matmul(OpRun& run) {
  const TensorView ids = run.in(kExpertIds);
  const std::int64_t E = run.in(kExperts).shape[0];
  ExpertRows rows(static_cast<std::size_t>(E));
  for (std::int64_t i = 0; i < ids.count(); ++i) {
    const std::int64_t id = ids.as<std::int32_t>()[i];
    if (id < 0 || id >= E)
      run.fail(ErrorCode::invalid_argument, fmt::format("id {} at place {} is outside the {} experts", id, i, E));
    rows[static_cast<std::size_t>(id)].push_back(i);
  }
  run_expert_product(run, rows, run.in(kExpertX).shape.size() == 2 ? ids.shape[1] : 1);
}

/// Each expert's rows: a vector's head and its block, elements in vectors that grow, to twice what they hold beside
/// what they held; and which experts there are, alike.
Workspace workspace_expert_matmul(const OpRun& run) {
  constexpr std::int64_t kBlock = 32;  // the least that an allocator gives
  Workspace space = expert_product_workspace(run);
  const std::int64_t experts = run.in(kExperts).shape[0], pairs = run.in(kExpertIds).count();
  const std::int64_t one_each = static_cast<std::int64_t>(sizeof(ExpertRows::value_type)) + kBlock + 3 * 8;
  space.shared_bytes = checked_add(space.shared_bytes, experts * one_each + 3 * pairs * 8);
  return space;
}

/// Experts that nobody chose are not read: at most one for each row of ids.
Cost cost_expert_matmul(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value) {
  const auto elements = [&](const Shape& shape) {
    double n = 1;
    for (const Dim& d : shape) n *= static_cast<double>(value(d));
    return n;
  };
  const TensorType &x = c.type(kExpertX), &w = c.type(kExperts), &ids = c.type(kExpertIds);
  const double E = static_cast<double>(value(w.shape[0])), pairs = elements(ids.shape);
  const double M = static_cast<double>(value(w.shape[2])), K = static_cast<double>(value(w.shape[1]));
  const double read = std::min(E, pairs) * K * M / info(w.dtype).block_size * info(w.dtype).block_bytes;
  const double activations = (elements(x.shape) + pairs * M) * info(x.dtype).block_bytes;
  return {read + activations + pairs * info(ids.dtype).block_bytes, 2 * pairs * K * M};
}

}  // namespace

const OpDef& expert_matmul_op() {
  static const OpDef op = {.name = "expert_matmul",
                           .operands = {{.name = "x"},
                                        {.name = "w", .stored = true},
                                        {.name = "ids", .keyword = true, .shares_dtype = false}},
                           .infer = infer_expert_matmul,
                           .reference = reference_expert_matmul,
                           .lower = lower_to_kernel,
                           .cost = cost_expert_matmul,
                           .workspace = workspace_expert_matmul};
  return op;
}

Value expert_matmul(const In& x, const In& w, const In& ids) { return call(expert_matmul_op(), {x, w, ids}); }
Pipe expert_matmul(const In& w, const In& ids) { return pipe(expert_matmul_op(), {w, ids}); }

}  // namespace openinfer
