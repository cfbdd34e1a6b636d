// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstring>

#include "lib/ops/builtin.h"
#include "lib/ops/lower.h"
#include "lib/ops/workspace.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_state_write(const InferContext& c) {
  if (c.state().kind != StateSpec::Kind::tensor)  // [C1]
    c.fail(ErrorCode::invalid_argument, fmt::format("takes a tensor state, not {}", c.state().to_string()));
  if (c.type(0).dtype != c.state().dtype)  // [C2]
    c.fail(ErrorCode::dtype_mismatch, fmt::format("{} {} does not fit the state {}; cast it", c.describe(0),
                                                  c.type(0).to_string(), c.state().to_string()));
  if (c.type(0).shape != c.state().shape)  // [C3]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("{} {} does not fit the state {}", c.describe(0), c.type(0).to_string(), c.state().to_string()));
  return {};
}

void reference_state_write(OpRun& run) {
  const TensorSpan& state = run.state()[0];
  if (state.count() > 0)
    std::memcpy(state.data, run.in(0).data, static_cast<std::size_t>(size_bytes(state.dtype, state.count())));
}

}  // namespace

const OpDef& state_write_op() {
  static const OpDef op = {.name = "state_write",
                           .operands = {{.name = "value"}},
                           .traits = {.state = StateUse::write},
                           .infer = infer_state_write,
                           .reference = reference_state_write,
                           .lower = lower_to_kernel,
                           .workspace = no_workspace};
  return op;
}

void state_write(const State& state, const In& value) {
  apply(state_write_op(), {value}, {}, {.state = state}, value.at());
}

}  // namespace openinfer
