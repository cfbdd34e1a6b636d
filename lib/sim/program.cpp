// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/program.h"

#include "lib/base/fail.h"
#include "lib/base/number.h"

namespace openinfer {
namespace {

Tensor literal_tensor(const GraphData& g, const Node& node) {
  const DType dtype = g.values.at(node.results.at(0)).type.dtype;
  Tensor tensor(dtype, Extents{}, Location{});
  if (!store_number(node.literal, dtype, tensor.mutable_bytes().data()))
    fail_at(node.at, ErrorCode::dtype_mismatch, "[literal] {} is not a number that {} can hold",
            to_string(node.literal), name(dtype));
  return tensor;
}

}  // namespace

Program::Program(Graph graph_, std::optional<Model> model_)
    : graph(std::move(graph_)), model(std::move(model_)), weights(graph.data(), model), literals(g().nodes.size()) {
  for (std::size_t n = 0; n < literals.size(); ++n)
    if (g().nodes[n].op == &literal_op()) literals[n] = literal_tensor(g(), g().nodes[n]);
}

}  // namespace openinfer
