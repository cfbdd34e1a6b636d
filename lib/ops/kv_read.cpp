// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/cache.h"
#include "lib/ops/lower.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_kv_read(const InferContext& c) {
  check_is_cache(c);      // [C1]
  check_index(c, 0, {});  // [C2]
  const Shape& spec = c.state().shape;
  const TensorType layer{c.state().dtype, Shape(spec.begin() + 1, spec.end())};
  return {layer, layer};
}

void reference_kv_read(OpRun& run) {
  const std::span<TensorSpan> state = run.state();
  const CacheShape cache(state[0].shape);
  const std::int64_t layer = index_at(run, 0, 0, cache.layers, "layer");
  for (std::size_t i = 0; i < 2; ++i) {
    const Extents shape(state[i].shape.begin() + 1, state[i].shape.end());
    run.set_view(i, {state[i].dtype, shape, state[i].data + cache.first(layer, 0, 0) * size_bytes(state[i].dtype, 1)});
  }
}

}  // namespace

const OpDef& kv_read_op() {
  static const OpDef op = {.name = "kv_read",
                           .operands = {{.name = "layer", .keyword = true, .shares_dtype = false}},
                           .traits = {.view = true, .state = StateUse::read},
                           .infer = infer_kv_read,
                           .reference = reference_kv_read,
                           .lower = lower_to_kernel,
                           .workspace = [](const OpRun&) { return Workspace{}; }};
  return op;
}

std::tuple<Value, Value> kv_read(const State& kv, const KvLayer& where) {
  auto results = apply(kv_read_op(), {where.layer}, {}, {.state = kv, .draft = kv.draft()}, where.layer.at());
  return {results[0], results[1]};
}

}  // namespace openinfer
