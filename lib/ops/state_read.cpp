// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstring>

#include "lib/ops/builtin.h"
#include "lib/ops/lower.h"
#include "lib/ops/workspace.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_state_read(const InferContext& c) {
  if (c.state().kind != StateSpec::Kind::tensor)  // [C1]
    c.fail(ErrorCode::invalid_argument, fmt::format("takes a tensor state, not {}", c.state().to_string()));
  return {{c.state().dtype, c.state().shape}};
}

// A copy: what was read stays what it was when the state is replaced.
void reference_state_read(OpRun& run) {
  const TensorSpan& state = run.state()[0];
  if (state.count() > 0)
    std::memcpy(run.out(0).data, state.data, static_cast<std::size_t>(size_bytes(state.dtype, state.count())));
}

}  // namespace

const OpDef& state_read_op() {
  static const OpDef op = {.name = "state_read",
                           .traits = {.state = StateUse::read},
                           .infer = infer_state_read,
                           .reference = reference_state_read,
                           .lower = lower_to_kernel,
                           .workspace = no_workspace};
  return op;
}

Value state_read(const State& state, At at) {
  return apply(state_read_op(), {}, {}, {.state = state, .draft = state.draft()}, at)[0];
}

}  // namespace openinfer
