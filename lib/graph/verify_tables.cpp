// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <set>

#include "lib/base/checked.h"
#include "lib/graph/infer.h"
#include "lib/graph/invalid.h"
#include "lib/graph/names.h"
#include "lib/graph/number_text.h"
#include "lib/graph/verifier.h"
#include "lib/graph/verify.h"

namespace openinfer {
namespace {

void verify_dtypes(const WeightDecl& w, Location at) {
  for (DType d : w.dtypes) info(d);
  const bool sorted = std::is_sorted(w.dtypes.begin(), w.dtypes.end()) &&
                      std::adjacent_find(w.dtypes.begin(), w.dtypes.end()) == w.dtypes.end();
  if (w.dtypes.empty() || !sorted || (w.ranges.empty() && w.dtypes.size() > 1))
    fail_at(at, kInvalid, "[verify] weight @{}: dtypes are sorted and differ; more than one needs a family", w.pattern);
}

class Tables {
 public:
  explicit Tables(const GraphData& g) : g_(g) {}

  void check() {
    sizes();
    dims();
    for (const WeightDecl& w : g_.weights) weight(w);
    for (const StateDecl& s : g_.states) state(s);
    for (const ConstantDecl& c : g_.constants) constant(c);
    for (NodeId n = 0; n < g_.nodes.size(); ++n) node(n);
    for (const Region& r : g_.regions) region(r);
    for (const ValueInfo& v : g_.values) value(v);
    if (produced_ != results_) fail(kInvalid, "[verify] {} values name a node and nodes give {}", produced_, results_);
    for (const OutputDecl& o : g_.outputs) {
      fresh_name("output", o.name, outputs_);
      within("an output", o.value, g_.values.size());
    }
    for (const std::string& name : g_.inputs) fresh_name("input", name, inputs_);
  }

 private:
  static void within(std::string_view what, std::size_t number, std::size_t count) {
    if (number >= count) fail(kInvalid, "[verify] {} has the number {} of {}", what, number, count);
  }

  void sizes() const {
    const auto limit = [](std::size_t count, std::size_t most, std::string_view what) {
      if (count > most) fail(kInvalid, "[verify] the graph has {} {}; at most {} are possible", count, what, most);
    };
    limit(g_.nodes.size(), kMaxNodes, "nodes");
    limit(g_.values.size(), 8 * kMaxNodes, "values");
    limit(g_.regions.size(), kMaxRegions, "regions");
    limit(g_.weights.size() + g_.constants.size(), kMaxNodes / 16, "weights and constants");
    limit(g_.dims.size() + g_.inputs.size(), kMaxDeclarations, "dimensions and inputs");
    limit(g_.states.size(), kMaxDeclarations, "states");
    limit(g_.outputs.size(), kMaxDeclarations, "outputs");
    if (g_.regions.empty()) fail(kInvalid, "[verify] the graph has no region");
  }

  static void fresh_name(std::string_view what, const std::string& name, std::set<std::string_view>& taken) {
    if (!is_name(name)) fail(kInvalid, "[verify] the {} '{}' has no proper name", what, name);
    if (!taken.insert(name).second) fail(kInvalid, "[verify] the {} '{}' is there twice", what, name);
  }

  void dims() {
    constexpr std::int64_t kLargest = std::int64_t{1} << 40;
    for (const DimDecl& d : g_.dims) {
      fresh_name("dimension", d.name, dims_);
      if (d.min < 0 || d.min > d.max || d.max > kLargest)
        fail(kInvalid, "[verify] dimension '{}' is bounded by [{}, {}]", d.name, d.min, d.max);
    }
  }

  void weight(const WeightDecl& w) {
    verify_weight_decl(w, {});
    if (!weights_.insert(w.pattern).second) fail(kInvalid, "[verify] weight @{} is declared twice", w.pattern);
  }

  void state(const StateDecl& s) {
    fresh_name("state", s.name, states_);
    const StateSpec& spec = s.spec;
    if (info(spec.dtype).block_size != 1)
      fail(kInvalid, "[verify] state ${} cannot be {}: states have plain dtypes", s.name, name(spec.dtype));
    if (spec.kind == StateSpec::Kind::kv_cache && (!is_float(spec.dtype) || spec.shape.size() != 5))
      fail(kInvalid, "[verify] state ${}: a kv_cache has a float dtype and five sizes", s.name);
    for (const Dim& d : spec.shape) verify_size(g_, d, "state $" + s.name, {});
  }
  void constant(const ConstantDecl& c) {
    fresh_name("constant", c.name, constants_);
    if (info(c.tensor.dtype()).block_size != 1)
      fail(kInvalid, "[verify] constant #{} cannot be {}: constants have plain dtypes", c.name, name(c.tensor.dtype()));
    if (c.tensor.dtype() == DType::boolean &&
        std::any_of(c.tensor.bytes().begin(), c.tensor.bytes().end(), [](std::byte b) { return b > std::byte{1}; }))
      fail(kInvalid, "[verify] constant #{} holds a bool that is neither 0 nor 1", c.name);
  }

  void node(NodeId id) {
    const Node& n = g_.nodes[id];
    if (!n.op) fail(kInvalid, "[verify] node {} has no operator", id);
    if (n.operands.size() > kMaxOperands && n.regions.empty())
      fail_at(n.at, kInvalid, "[{}] has {} operands; at most {} are possible", n.op->name, n.operands.size(),
              kMaxOperands);
    for (ValueId v : n.operands)
      if (v != kNoValue) within("an operand", v, g_.values.size());
    for (ValueId v : n.results) {
      within("a result", v, g_.values.size());
      if (g_.values[v].node != id) fail(kInvalid, "[verify] value {} is not the result of node {} alone", v, id);
    }
    results_ += n.results.size();
    const std::set<ValueId> unique(n.results.begin(), n.results.end());
    if (unique.size() != n.results.size()) fail(kInvalid, "[verify] node {} gives a value twice", id);
    for (RegionId r : n.regions) {
      within("a node's region", r, g_.regions.size());
      if (r == kTopRegion || g_.regions[r].owner != id) fail(kInvalid, "[verify] region {} has another owner", r);
    }
    const std::size_t regions = n.op == &loop_op() ? 1 : n.op == &cond_op() ? 2 : 0;
    if (n.regions.size() != regions || (regions == 2 && n.regions[0] == n.regions[1]))
      fail(kInvalid, "[verify] node {} has {} regions and needs {}", id, n.regions.size(), regions);
    const std::size_t decls = n.op == &weight_op()     ? g_.weights.size()
                              : n.op == &constant_op() ? g_.constants.size()
                                                       : 0;
    if (n.op == &weight_op() || n.op == &constant_op())
      within("a leaf's declaration", static_cast<std::size_t>(static_cast<std::int64_t>(n.decl)), decls);
  }

  void region(const Region& r) const {
    for (ValueId v : r.arguments) within("an argument", v, g_.values.size());
    for (ValueId v : r.results) within("a region's result", v, g_.values.size());
    for (ValueId v : r.captures) within("a capture", v, g_.values.size());
    for (NodeId n : r.nodes) within("a node", n, g_.nodes.size());
    within("a region's parent", r.parent, g_.regions.size());
    if (r.owner != kNoNode) within("a region's owner", r.owner, g_.nodes.size());
  }

  void value(const ValueInfo& v) {
    within("a value's region", v.region, g_.regions.size());
    if (v.node != kNoNode) {
      within("a value's node", v.node, g_.nodes.size());
      ++produced_;
    }
    if (v.state < -1 || v.state >= static_cast<std::int64_t>(g_.states.size()))
      fail(kInvalid, "[verify] a token of state {} of {}", v.state, g_.states.size());
    if (v.state >= 0) return;
    info(v.type.dtype);
    for (DType d : v.dtypes) info(d);
    for (const Dim& d : v.type.shape) verify_size(g_, d, "value '" + v.name + "'", {});
    if (!v.name.empty() && !is_name(v.name)) fail(kInvalid, "[verify] '{}' is no name", v.name);
    const bool leaf = v.node != kNoNode && is_leaf(g_.nodes[v.node]);
    if (v.name.empty() && !leaf) fail(kInvalid, "[verify] a value that is no leaf has no name");
    if (!v.dtypes.empty() && !leaf) fail(kInvalid, "[verify] '{}' is no family and has several dtypes", v.name);
  }

  const GraphData& g_;
  std::size_t produced_ = 0, results_ = 0;
  std::set<std::string_view> dims_, states_, constants_, weights_, outputs_, inputs_;
};

void verify_range(std::string_view what, const Affine& step, std::pair<std::int64_t, std::int64_t> loop,
                  std::int64_t from, std::int64_t to, Location at) {
  if (loop.first >= loop.second) return;
  const std::int64_t a = checked_add(checked_multiply(loop.first, step.scale), step.offset);
  const std::int64_t b = checked_add(checked_multiply(loop.second - 1, step.scale), step.offset);
  if (std::min(a, b) < from || std::max(a, b) >= to)
    fail_at(at, kInvalid, "[verify] {} is declared for {}..{} and the loop asks for {}..{}", what, from, to,
            std::min(a, b), std::max(a, b) + 1);
}

void verify_constant(const GraphData& g, const Node& node, const TensorType& type, const LoopRanges& loops) {
  const ConstantDecl& decl = g.constants[node.decl];
  Shape shape(decl.tensor.shape().begin(), decl.tensor.shape().end());
  if (node.index.size() > 1 || node.operands.size() > node.index.size())
    fail_at(node.at, kInvalid, "[verify] #{} takes one index", decl.name);
  if (!node.index.empty()) {
    if (shape.empty()) fail_at(node.at, kInvalid, "[verify] #{} is a scalar and takes no index", decl.name);
    const auto range = node.operands.empty() ? std::pair<std::int64_t, std::int64_t>{0, 1} : loops.at(node.operands[0]);
    verify_range("#" + decl.name, node.index[0], range, 0, shape[0].constant(), node.at);
    shape.erase(shape.begin());
  }
  if (type != TensorType{decl.tensor.dtype(), shape})
    fail_at(node.at, ErrorCode::shape_mismatch, "[verify] #{} is used as {}", decl.name, type.to_string());
}

void verify_weight(const GraphData& g, const Node& node, const ValueInfo& value, const LoopRanges& loops) {
  const WeightDecl& decl = g.weights[node.decl];
  if (node.operands.size() != decl.ranges.size() || node.index.size() != decl.ranges.size())
    fail_at(node.at, kInvalid, "[verify] @{} takes {} indices, not {}", decl.pattern, decl.ranges.size(),
            node.operands.size());
  for (std::size_t i = 0; i < decl.ranges.size(); ++i)
    verify_range("@" + decl.pattern, node.index[i], loops.at(node.operands[i]), decl.ranges[i].first,
                 decl.ranges[i].second, node.at);
  if (value.type != TensorType{decl.dtypes.front(), decl.shape} || value.dtypes != decl.dtypes)
    fail_at(node.at, ErrorCode::shape_mismatch, "[verify] @{} is used as {}", decl.pattern, value.type.to_string());
}

}  // namespace

void verify_tables(const GraphData& g) { Tables(g).check(); }

void verify_weight_decl(const WeightDecl& w, Location at) {
  constexpr std::size_t kMaxKey = 255;
  std::size_t places = 0;
  for (std::size_t i = 0; i < w.pattern.size(); ++i) {
    const char c = w.pattern[i];
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_./-").find(c) != std::string_view::npos;
    if (plain) continue;
    if (w.pattern.compare(i, 2, "{}") != 0)
      fail_at(at, kInvalid, "[verify] weight '{}': a key has letters, digits and . _ / - only", w.pattern);
    ++places, ++i;
  }
  if (w.pattern.empty() || w.pattern.size() > kMaxKey)
    fail_at(at, kInvalid, "[verify] a weight's key has {} bytes; 1 to {} are possible", w.pattern.size(), kMaxKey);
  if (places != w.ranges.size())
    fail_at(at, kInvalid, "[verify] weight @{} has {} ranges for {} places", w.pattern, w.ranges.size(), places);
  std::int64_t members = 1;
  for (const auto& [from, to] : w.ranges) {
    if (from < 0 || to <= from)
      fail_at(at, kInvalid, "[verify] weight @{} runs over {}..{}, which has no member; 0 <= from < to is needed",
              w.pattern, from, to);
    if (to - from > kMaxFamily)
      fail_at(at, kInvalid, "[verify] weight @{} runs over {}..{}; {} members are possible", w.pattern, from, to,
              kMaxFamily);
    members = checked_multiply(members, to - from);
    if (members > kMaxFamily)
      fail_at(at, kInvalid, "[verify] weight @{} has more than {} members", w.pattern, kMaxFamily);
  }
  verify_dtypes(w, at);
  std::int64_t count = 1;
  for (const Dim& d : w.shape) {
    if (!d.is_constant() || d.constant() < 0)
      fail_at(at, kInvalid, "[verify] weight @{} has the shape {}; numbers are needed", w.pattern, to_string(w.shape));
    count = checked_multiply(count, d.constant());
  }
}

void verify_size(const GraphData& g, const Dim& dim, std::string_view what, Location at) {
  for (const Dim::Term& t : dim.terms())
    if (std::none_of(g.dims.begin(), g.dims.end(), [&](const DimDecl& d) { return d.name == t.symbol; }))
      fail_at(at, kInvalid, "[verify] {} names the dimension '{}', which is not declared", what, t.symbol);
  if (dim.is_constant() && dim.constant() < 0)
    fail_at(at, kInvalid, "[verify] {} has the size {}; sizes begin at 0", what, dim.constant());
}

void verify_leaf(const GraphData& g, const Node& node, const LoopRanges& loops) {
  if (node.results.size() != 1 || g.values[node.results[0]].state >= 0 || !g.values[node.results[0]].name.empty())
    fail_at(node.at, kInvalid, "[verify] a {} gives one value without a name", node.op->name);
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    if (!loops.contains(node.operands[i]))
      fail_at(node.at, kInvalid, "[verify] an index of {} is not that of an enclosing loop",
              node.op == &weight_op() ? "@" + g.weights[node.decl].pattern : "a table");
    if (i < node.index.size() && node.index[i].scale == 0)
      fail_at(node.at, kInvalid, "[verify] an index with the factor 0 is a number; name the one tensor");
  }
  const ValueInfo& value = g.values[node.results[0]];
  if (node.op == &weight_op()) return verify_weight(g, node, value, loops);
  if (!value.dtypes.empty()) fail_at(node.at, kInvalid, "[verify] a {} has one dtype", node.op->name);
  if (node.op == &constant_op()) return verify_constant(g, node, value.type, loops);
  if (!value.type.shape.empty() || !node.operands.empty())
    fail_at(node.at, kInvalid, "[verify] a literal is a scalar without operands");
  check_literal(node.literal, value.type.dtype, node.at);
}

}  // namespace openinfer
