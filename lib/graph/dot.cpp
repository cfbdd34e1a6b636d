// SPDX-License-Identifier: Apache-2.0
// to_dot: Graphviz source. Operators are boxes, what enters or leaves a region is an ellipse, leaves are plain text.
#include "lib/base/fail.h"
#include "lib/graph/infer.h"
#include "lib/graph/ir.h"
#include "lib/graph/lexer.h"

namespace openinfer {
namespace {

class DotPrinter {
 public:
  explicit DotPrinter(const GraphData& g) : g_(g) {}

  std::string text() {
    out_ = "digraph openinfer {\n  rankdir=TB;\n  node [fontname=\"monospace\", fontsize=10, shape=box];\n";
    for (ValueId v : g_.top().arguments) terminal(v, 1);
    nodes(kTopRegion, 1);
    for (std::size_t i = 0; i < g_.outputs.size(); ++i) {
      line(1, fmt::format("out{} [label={}, shape=ellipse, style=bold];", i, quote(g_.outputs[i].name)));
      edge(g_.outputs[i].value, fmt::format("out{}", i));
    }
    return std::move(out_) + edges_ + "}\n";
  }

 private:
  void line(std::size_t depth, const std::string& text) { out_ += std::string(2 * depth, ' ') + text + "\n"; }

  std::string label(ValueId v) const {
    if (g_.values[v].state >= 0) return quote(describe(g_, v));
    return quote(g_.values[v].name + " : " + g_.values[v].type.to_string());
  }

  /// An argument or a result of a region.
  void terminal(ValueId v, std::size_t depth) {
    line(depth,
         fmt::format("v{} [label={}, shape=ellipse{}];", v, label(v), g_.values[v].state >= 0 ? ", style=dashed" : ""));
  }

  void edge(ValueId from, const std::string& to, std::string_view more = "") {
    if (from == kNoValue) return;
    const ValueInfo& v = g_.values[from];
    const bool operation = v.node != kNoNode && g_.nodes[v.node].regions.empty();
    edges_ += fmt::format("  {}{} -> {} [{}{}];\n", operation ? "n" : "v", operation ? v.node : from, to,
                          v.state >= 0 ? "style=dashed" : "style=solid", more);
  }

  void nodes(RegionId region, std::size_t depth) {
    for (NodeId id : g_.regions[region].nodes) {
      const Node& node = g_.nodes[id];
      if (is_leaf(node))
        line(depth, fmt::format("n{} [label={}, shape=plaintext];", id, quote(describe(g_, node.results[0]))));
      else if (node.regions.empty())
        operation(node, id, depth);
      else
        structure(node, depth);
    }
  }

  void operation(const Node& node, NodeId id, std::size_t depth) {
    std::string text(node.op->name);
    for (ValueId v : node.results)
      if (g_.values[v].state < 0) text += "\n" + g_.values[v].name + " : " + g_.values[v].type.to_string();
    line(depth, fmt::format("n{} [label={}];", id, quote(text)));
    for (ValueId v : node.operands) edge(v, fmt::format("n{}", id));
  }

  void structure(const Node& node, std::size_t depth) {
    const bool loop = node.op == &loop_op();
    for (std::size_t i = 0; i < node.regions.size(); ++i) {
      const Region& region = g_.regions[node.regions[i]];
      std::string title = i == 0 ? "if " + describe(g_, node.operands[0]) : "else";
      if (loop)
        title = fmt::format("for {} in {}..{}", g_.values[region.arguments[0]].name,
                            std::get<std::int64_t>(*node.attributes.find("from")),
                            std::get<std::int64_t>(*node.attributes.find("to")));
      line(depth, fmt::format("subgraph cluster_{} {{", node.regions[i]));
      line(depth + 1, fmt::format("label={}; fontname=\"monospace\"; fontsize=10;", quote(title)));
      for (ValueId v : region.arguments) terminal(v, depth + 1);
      nodes(node.regions[i], depth + 1);
      line(depth, "}");
      for (std::size_t k = 0; k < region.results.size(); ++k)
        edge(region.results[k], fmt::format("v{}", node.results[k]));
      // A loop's operands enter behind its index, a branch's behind the predicate.
      for (std::size_t k = loop ? 0 : 1; k < node.operands.size(); ++k)
        edge(node.operands[k], fmt::format("v{}", region.arguments[loop ? k + 1 : k - 1]));
      if (loop)
        for (std::size_t k = 0; k < region.results.size(); ++k)
          edge(region.results[k], fmt::format("v{}", region.arguments[k + 1]), ", constraint=false, color=gray");
    }
    for (ValueId v : node.results) terminal(v, depth);
    if (!loop)
      for (ValueId v : node.results) edge(node.operands[0], fmt::format("v{}", v), ", color=gray");
  }

  const GraphData& g_;
  std::string out_, edges_;
};

}  // namespace

std::string to_dot(const Graph& graph, At at) { return DotPrinter(graph.data(at)).text(); }

}  // namespace openinfer
