// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/weights.h"

#include <algorithm>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

std::string key_of(const WeightDecl& decl, const std::vector<std::int64_t>& indices) {
  std::string key;
  std::size_t next = 0;
  for (std::size_t i = 0; i < decl.pattern.size(); ++i) {
    if (decl.pattern.compare(i, 2, "{}") != 0) {
      key += decl.pattern[i];
      continue;
    }
    key += std::to_string(indices.at(next++));
    ++i;
  }
  return key;
}

std::string dtype_list(const std::vector<DType>& dtypes) {
  std::string text;
  for (DType d : dtypes) text += (text.empty() ? "" : "|") + std::string(name(d));
  return text;
}

Extents stored_shape(const TensorInfo& tensor) {
  Extents shape = tensor.shape;
  if (tensor.transposed && shape.size() >= 2) std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  return shape;
}

bool swapped(const Extents& a, const Extents& b) {
  TensorInfo turned;
  turned.shape = a;
  turned.transposed = true;
  return a.size() >= 2 && stored_shape(turned) == b;
}

StoredTensor describe(const TensorInfo& tensor) {
  StoredTensor stored{std::string(tensor.key), tensor.dtype, tensor.shape, tensor.transposed};
  const Extents shape = stored_shape(tensor);
  const std::int64_t width = shape.empty() ? 1 : shape.back();
  const std::int64_t count = element_count(shape);
  stored.size_bytes = size_bytes(tensor.dtype, count);
  stored.rows = width == 0 ? 0 : count / width;
  stored.panels = tensor.layout == "panel16" && !tensor.splat;  // a splat's blocks are all alike, made as rows
  stored.row_bytes = width % info(tensor.dtype).block_size == 0 ? size_bytes(tensor.dtype, width) : 0;
  return stored;
}

StoredTensor find_tensor(const Model& model, const WeightDecl& decl, const std::string& key, Location at) {
  const TensorInfo tensor = model.tensor({key, At(at.file, at.line)});
  if (std::find(decl.dtypes.begin(), decl.dtypes.end(), tensor.dtype) == decl.dtypes.end())
    fail_at(at, ErrorCode::dtype_mismatch, "[model] \"{}\" is {} in the package; the graph declares {}", key,
            name(tensor.dtype), dtype_list(decl.dtypes));
  Extents declared;
  for (const Dim& d : decl.shape) declared.push_back(d.constant());
  if (tensor.shape != declared)
    fail_at(at, ErrorCode::shape_mismatch, "[model] \"{}\" is {} in the package; the graph declares {}{}", key,
            to_string(tensor.shape), to_string(declared),
            swapped(tensor.shape, declared) ? " (the last two swapped: the package's transposed flag differs)" : "");
  StoredTensor stored = describe(tensor);
  stored.key = key;
  return stored;
}

std::pair<std::int64_t, std::int64_t> range_of(const GraphData& g, ValueId loop_index) {
  const Node& loop = g.nodes.at(g.regions.at(g.values.at(loop_index).region).owner);
  const auto bound = [&](std::string_view which) { return std::get<std::int64_t>(*loop.attributes.find(which)); };
  return {bound("from"), bound("to")};
}

}  // namespace

Weights::Weights(const GraphData& g, const std::optional<Model>& model) : leaves_(g.nodes.size()) {
  Numbers numbers;
  resolve_region(g, model, kTopRegion, numbers);
}

/// Regions that hang on no node are loops that a user is still writing (eval).
void Weights::resolve_region(const GraphData& g, const std::optional<Model>& model, RegionId region, Numbers& numbers) {
  for (NodeId n : g.regions[region].nodes) {
    const Node& node = g.nodes[n];
    for (RegionId inner : node.regions) resolve_region(g, model, inner, numbers);
    if (node.op != &weight_op()) continue;
    if (!model)
      fail_at(node.at, ErrorCode::not_found, "[model] the graph names @{} and the session has no package",
              g.weights.at(node.decl).pattern);
    resolve(g, *model, n, numbers);
  }
}

void Weights::resolve(const GraphData& g, const Model& model, NodeId id, Numbers& numbers) {
  const Node& node = g.nodes[id];
  Leaf& leaf = leaves_[id];
  std::vector<std::size_t> loop_of;  // by operand: its place in leaf.loops
  for (ValueId operand : node.operands) {
    const auto known = [&](const Loop& l) { return l.index == operand; };
    const auto found = std::find_if(leaf.loops.begin(), leaf.loops.end(), known);
    loop_of.push_back(static_cast<std::size_t>(found - leaf.loops.begin()));
    if (found != leaf.loops.end()) continue;
    const auto [from, to] = range_of(g, operand);
    if (from == to) return;  // a body that never runs
    leaf.loops.push_back({operand, from, to - from});
  }
  std::vector<std::int64_t> turn;
  for (const Loop& loop : leaf.loops) turn.push_back(loop.from);
  do {
    std::vector<std::int64_t> indices;
    for (std::size_t i = 0; i < node.operands.size(); ++i)
      indices.push_back(node.index[i].scale * turn[loop_of[i]] + node.index[i].offset);
    leaf.members.push_back(number(g, model, node, indices, numbers));
  } while (next_turn(leaf.loops, turn));
  check_family(g, model, node);
}

/// The members that a graph declares are there, whether or not a loop comes to them: kernels are made for all. Of a
/// family with several indices the declaration says no more than where they lie.
void Weights::check_family(const GraphData& g, const Model& model, const Node& leaf) {
  const WeightDecl& decl = g.weights.at(leaf.decl);
  if (decl.ranges.size() != 1 || !checked_families_.insert(leaf.decl).second) return;
  for (std::int64_t i = decl.ranges[0].first; i < decl.ranges[0].second; ++i)
    find_tensor(model, decl, key_of(decl, {i}), leaf.at);
}

/// Counts `turn` on, the last loop fastest; false after the last.
bool Weights::next_turn(const std::vector<Loop>& loops, std::vector<std::int64_t>& turn) {
  for (std::size_t i = loops.size(); i-- > 0;) {
    if (++turn[i] < loops[i].from + loops[i].count) return true;
    turn[i] = loops[i].from;
  }
  return false;
}

std::uint32_t Weights::number(const GraphData& g, const Model& model, const Node& leaf,
                              const std::vector<std::int64_t>& indices, Numbers& numbers) {
  const WeightDecl& decl = g.weights.at(leaf.decl);
  auto name = std::make_pair(leaf.decl, key_of(decl, indices));
  const auto known = numbers.find(name);
  if (known != numbers.end()) return known->second;
  tensors_.push_back(find_tensor(model, decl, name.second, leaf.at));
  return numbers.emplace(std::move(name), static_cast<std::uint32_t>(tensors_.size() - 1)).first->second;
}

}  // namespace openinfer
