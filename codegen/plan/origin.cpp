// SPDX-License-Identifier: Apache-2.0
// Where a dispatch comes from: the nodes of its group that it computes, their lines, and what it moves and calculates
// with every symbol at its bound.
#include <algorithm>

#include "codegen/kernels/int8_rows.h"
#include "codegen/plan/entry_lowering.h"
#include "lib/graph/infer.h"

namespace openinfer::plan {
namespace {

/// "q = rope", "kv_write": tokens of states have no name.
std::string text_of(const GraphData& g, const Node& n) {
  std::string results;
  for (const ValueId r : n.results)
    if (g.values[r].state < 0) results += (results.empty() ? "" : ", ") + g.values[r].name;
  return results.empty() ? std::string(n.op->name) : fmt::format("{} = {}", results, n.op->name);
}

double bytes_of_int8(double elements) {
  return elements / static_cast<double>(kernels::kInt8Block) * 4 * static_cast<double>(kernels::kInt8BlockWords);
}

/// Gives names to elements that are there already: nothing is moved.
bool is_view(const Node& n) { return n.op->traits.view || n.op->traits.state == StateUse::read; }

}  // namespace

/// What one run of the node reads of an operand: of a table the rows that are looked up, of experts those that may be
/// chosen, of a cache a slot for each row.
double EntryLowering::elements_read(const Node& n, std::size_t operand) const {
  const Shape& shape = type(n.operands[operand]).shape;
  if (n.op->name == "gather" && operand == 0) return std::min(elements(shape), elements(type(n.results[0]).shape));
  if (n.op->name == "expert_matmul" && operand == 1) {
    const double experts = std::min(elements({shape[0]}), elements(type(n.operands[2]).shape));
    return experts * elements({shape[1], shape[2]});
  }
  const Shape& x = type(n.operands[0]).shape;
  const bool cache = n.op->name == "sdpa" && x.size() == 2 && (operand == 1 || operand == 2);
  if (!cache) return elements(shape);
  return std::min(elements({x[0]}), elements({shape[0]})) * elements(Shape(shape.begin() + 1, shape.end()));
}

bool EntryLowering::leaves(ValueId value) const {
  const auto reads = [&](NodeId n) {
    const auto& operands = g_.nodes[n].operands;
    return std::find(operands.begin(), operands.end(), value) != operands.end();
  };
  return escapes(value) || std::any_of(left_out_.begin(), left_out_.end(), reads);
}

/// Each value from outside once, each result that leaves once.
double EntryLowering::bytes_of(const std::vector<NodeId>& nodes) const {
  const auto bytes_of_elements = [&](ValueId v, double count) {
    const DTypeInfo& stored = info(dtype(v));
    return count * stored.block_bytes / stored.block_size;
  };
  std::set<ValueId> made;
  for (const NodeId id : nodes)
    if (!is_view(g_.nodes[id])) made.insert(g_.nodes[id].results.begin(), g_.nodes[id].results.end());
  std::map<ValueId, double> read;
  double written = 0;
  for (const NodeId id : nodes) {
    const Node& n = g_.nodes[id];
    if (is_view(n)) continue;
    for (std::size_t i = 0; i < n.operands.size(); ++i) {
      const ValueId v = n.operands[i];
      if (v == kNoValue || g_.values[v].state >= 0 || made.contains(v) || scalar(v) || number(v)) continue;
      double& now = read[v];
      now = std::max(now, bytes_of_elements(v, elements_read(n, i)));
    }
    if (n.op->name == "kv_write" && group_.state >= 0)
      for (const std::size_t rows : {0u, 1u})
        written += elements(type(n.operands[rows]).shape) *
                   info(g_.states[static_cast<std::size_t>(group_.state)].spec.dtype).block_bytes;
    for (const ValueId r : n.results) {
      if (g_.values[r].state >= 0 || !leaves(r)) continue;
      const double count = elements(type(r).shape);
      written += rows_instead_.contains({RowForm::int8, r}) ? bytes_of_int8(count) : bytes_of_elements(r, count);
    }
  }
  for (const auto& [value, bytes] : read) written += bytes;
  return written;
}

Origin EntryLowering::origin(const std::string& reason) const {
  Origin origin;
  origin.reason = reason;
  std::vector<NodeId> nodes;
  for (const NodeId id : group_.nodes)
    if (!left_out_.contains(id) && !is_leaf(g_.nodes[id])) nodes.push_back(id);
  origin.bytes = bytes_of(nodes);
  for (const NodeId id : nodes) {
    const Node& n = g_.nodes[id];
    origin.flops += flops_of(g_, n, [&](const Dim& d) { return upper(Size(d)); });
    for (const ValueId r : n.results) {
      if (int8_products_.contains(r)) origin.factors = Factors::int8;
      if (bf16_products_.contains(r)) origin.factors = Factors::bf16;
    }
    origin.nodes.push_back(text_of(g_, n));
    origin.at.push_back(n.at);
    const auto same = [&](const Location& at) {
      return at.line == n.at.line && std::string_view(at.file) == n.at.file;
    };
    if (n.at && std::none_of(origin.lines.begin(), origin.lines.end(), same)) origin.lines.push_back(n.at);
  }
  return origin;
}

}  // namespace openinfer::plan
