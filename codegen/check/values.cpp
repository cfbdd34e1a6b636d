// SPDX-License-Identifier: Apache-2.0
#include "codegen/check/values.h"

#include <fmt/format.h>

#include <cstring>
#include <set>

#include "codegen/check/bounded.h"
#include "lib/base/dequantize.h"
#include "lib/base/fail.h"
#include "lib/base/number.h"

namespace openinfer::check {
namespace {

Tensor copy_of(const TensorView& view) {
  Tensor tensor(view.dtype, view.shape, Location{});
  if (const auto to = tensor.mutable_bytes(); !to.empty()) std::memcpy(to.data(), view.data, to.size());
  return tensor;
}

/// The last two dimensions change places.
Tensor turned(const Tensor& stored, const Extents& logical) {
  Tensor result(stored.dtype(), logical, Location{});
  const auto size = static_cast<std::size_t>(info(stored.dtype()).block_bytes);
  const auto rows = static_cast<std::size_t>(logical[logical.size() - 2]);
  const auto columns = static_cast<std::size_t>(logical.back());
  const auto to = result.mutable_bytes();
  for (std::size_t i = 0; i * size < to.size(); ++i) {
    const std::size_t matrix = i / (rows * columns), row = i / columns % rows, column = i % columns;
    std::memcpy(to.data() + i * size, stored.bytes().data() + ((matrix * columns + column) * rows + row) * size, size);
  }
  return result;
}

}  // namespace

Graph with_own_names(const Graph& graph) {
  auto own = std::make_shared<GraphData>(graph.data());
  std::set<std::string> taken;
  for (const ValueInfo& v : own->values) taken.insert(v.name);
  for (const Node& loop : own->nodes) {
    if (loop.op != &loop_op()) continue;
    for (std::size_t i = 0; i < loop.results.size(); ++i) {
      ValueInfo &behind = own->values[loop.results[i]],
                &inside = own->values[own->regions[loop.regions[0]].arguments[i + 1]];
      if (behind.state >= 0) continue;
      const std::string stem = behind.name.substr(0, behind.name.find('.'));
      for (int n = 1; !taken.insert(behind.name).second; ++n) behind.name = fmt::format("{}.{}", stem, n);
      inside.name = behind.name;
    }
  }
  return Graph(std::move(own));
}

void Values::follow(SimSession& session) {
  std::set<std::string_view> names;
  for (const ValueInfo& v : g_.values)
    if (v.state < 0 && !v.name.empty()) names.insert(v.name);
  for (const std::string_view name : names)
    session.watch(name,
                  [this](const Watched& seen) { made_.insert_or_assign(std::string(seen.name), copy_of(seen.value)); });
}

bool Values::is_weight(ValueId v) const {
  const NodeId node = g_.values[v].node;
  return node != kNoNode && g_.nodes[node].op == &weight_op();
}

std::int64_t Values::subscript(const Node& leaf, std::size_t i) const {
  const std::int64_t turn = i < leaf.operands.size() ? integer(leaf.operands[i]) : 0;
  return leaf.index[i].scale * turn + leaf.index[i].offset;
}

std::string Values::key(ValueId weight) const {
  const Node& leaf = g_.nodes[g_.values[weight].node];
  std::string key = g_.weights[static_cast<std::size_t>(leaf.decl)].pattern;
  for (std::size_t i = 0; i < leaf.index.size(); ++i)
    key.replace(key.find("{}"), 2, fmt::format("{}", subscript(leaf, i)));
  return key;
}

Tensor Values::leaf(const Node& node) const {
  const ValueId v = node.results[0];
  if (node.op == &literal_op()) {
    Tensor one(g_.values[v].type.dtype, Extents{}, Location{});
    store_number(node.literal, one.dtype(), one.mutable_bytes().data());
    return one;
  }
  if (node.op == &constant_op()) {
    const Tensor& all = g_.constants[static_cast<std::size_t>(node.decl)].tensor;
    if (node.index.empty()) return all;
    Tensor row(all.dtype(), Extents(all.shape().begin() + 1, all.shape().end()), Location{});
    const auto to = row.mutable_bytes();
    std::memcpy(to.data(), all.bytes().data() + static_cast<std::size_t>(subscript(node, 0)) * to.size(), to.size());
    return row;
  }
  const std::string key = this->key(v);
  const TensorInfo there = g_.model->tensor(key);
  const auto bytes = g_.model->bytes(key);
  Extents stored = there.shape;
  if (there.transposed) std::swap(stored[stored.size() - 1], stored[stored.size() - 2]);
  Tensor dense;
  if (info(there.dtype).block_size != 1) {
    dense = Tensor(DType::f32, stored, Location{});
    dequantize(there.dtype, bytes.data(), reinterpret_cast<float*>(dense.mutable_bytes().data()), dense.count());
  } else {
    dense = copy_of({there.dtype, stored, bytes.data(), false});
  }
  return there.transposed ? turned(dense, there.shape) : dense;
}

Tensor Values::tensor(ValueId v) const {
  const ValueInfo& value = g_.values[v];
  if (value.node != kNoNode && is_leaf(g_.nodes[value.node])) return leaf(g_.nodes[value.node]);
  const auto made = made_.find(value.name);
  if (made == made_.end()) fail(ErrorCode::internal, "[check] the simulator has not made '{}' yet", value.name);
  return made->second;
}

std::int64_t Values::integer(ValueId v) const { return static_cast<std::int64_t>(numbers_of(tensor(v)).at(0)); }

}  // namespace openinfer::check
