// SPDX-License-Identifier: Apache-2.0
// to_text: the .oig form of a verified graph. README.md has the grammar.
#include <algorithm>

#include "lib/base/fail.h"
#include "lib/graph/draft.h"
#include "lib/graph/lexer.h"
#include "lib/graph/number_text.h"
#include "lib/graph/print.h"

namespace openinfer {
namespace {

constexpr std::size_t kWidth = 120;

/// One line of a body in its columns; neighbours are aligned to each other.
struct Line {
  std::string results;     // "ks, vs"
  std::string expression;  // "kv_read($kv, layer=l)"
  std::string type;        // "f32[slots, 3, ctx, 64]"
  std::string tail;        // "% {fuse}"
  std::string at;          // "at llama.cpp:31"
};

/// Columns are counted in characters, not in the bytes of UTF-8.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }));
}

void pad(std::string& text, std::size_t from, std::size_t columns) {
  const std::size_t used = width(std::string_view(text).substr(from));
  if (used < columns) text.append(columns - used, ' ');
}

bool same_attribute(const Attribute& a, const Attribute& b) {
  const auto *x = std::get_if<double>(&a), *y = std::get_if<double>(&b);
  return x && y ? number_text(*x) == number_text(*y) : a == b;  // 0 and -0 differ, a NaN is itself
}

std::string dims_text(const Shape& shape) {
  std::string text = to_string(shape);
  text.front() = '[', text.back() = ']';
  return text;
}

std::string attribute_text(const Attribute& value) {
  struct Visitor {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return number_text(v); }
    std::string operator()(const std::string& v) const { return quote(v); }
    std::string operator()(DType v) const { return std::string(name(v)); }
    std::string operator()(const Dim& v) const { return v.to_string(); }
    std::string operator()(const Shape& v) const { return dims_text(v); }
  };
  return std::visit(Visitor{}, value);
}

std::string location_text(Location at) {
  std::string text = at.to_string();
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != '"'; });
  if (plain && !text.starts_with(':')) return "at " + text;
  const auto colon = text.rfind(':');
  return "at " + quote(text.substr(0, colon)) + text.substr(colon);
}

class Printer {
 public:
  explicit Printer(const GraphData& g) : g_(g) {}

  std::string text() {
    out_ = "oig 1\n";
    for (const DimDecl& d : g_.dims) out_ += fmt::format("dim {} <= {} <= {}\n", d.min, d.name, d.max);
    weights();
    for (const ConstantDecl& c : g_.constants) constant(c);
    for (const StateDecl& s : g_.states) out_ += fmt::format("state ${} : {}\n", s.name, s.spec.to_string());
    signature();
    body(kTopRegion, 1);
    std::string returned;
    for (const OutputDecl& o : g_.outputs) returned += (returned.empty() ? " " : ", ") + operand(o.value);
    return std::move(out_) + "  return" + returned + "\n}\n";
  }

 private:
  void weights() {
    std::vector<std::string> names;
    std::size_t column = 0;
    for (const WeightDecl& w : g_.weights) {
      std::string key = "weight @";
      std::size_t range = 0;
      for (char c : w.pattern) {
        key += c;
        if (c == '{') key += fmt::format("{}..{}", w.ranges[range].first, w.ranges[range].second), ++range;
      }
      if (width(key) <= kWidth / 2) column = std::max(column, width(key));
      names.push_back(std::move(key));
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      const WeightDecl& w = g_.weights[i];
      const std::size_t from = out_.size();
      out_ += names[i];
      pad(out_, from, column);
      std::string dtypes;
      for (DType d : w.dtypes) dtypes += (dtypes.empty() ? "" : "|") + std::string(name(d));
      out_ += fmt::format(" : {}{}\n", dtypes, dims_text(w.shape));
    }
  }

  void constant(const ConstantDecl& c) {
    std::string line =
        fmt::format("const #{} : {}[{}] = {{", c.name, name(c.tensor.dtype()), fmt::join(c.tensor.shape(), ", "));
    const auto count = static_cast<std::size_t>(c.tensor.count());
    for (std::size_t i = 0; i < count; ++i) {
      const std::string element = element_text(c.tensor.dtype(), c.tensor.bytes(), i) + (i + 1 < count ? "," : "");
      if (line.size() + element.size() + 2 > kWidth) {
        out_ += line + "\n";
        line = "   ";
      }
      line += (line.back() == '{' ? "" : " ") + element;
    }
    out_ += line + "}\n";
  }

  void signature() {
    std::vector<std::string> inputs, outputs;
    for (std::size_t i = 0; i < g_.inputs.size(); ++i)
      inputs.push_back(g_.inputs[i] + ": " + g_.values[g_.top().arguments[i]].type.to_string());
    for (const OutputDecl& o : g_.outputs) outputs.push_back(o.name + ": " + g_.values[o.value].type.to_string());
    std::string line = fmt::format("graph ({}) -> ({}) {{", fmt::join(inputs, ", "), fmt::join(outputs, ", "));
    if (width(line) > kWidth)
      line = fmt::format("graph (\n    {}\n) -> (\n    {}\n) {{", fmt::join(inputs, ",\n    "),
                         fmt::join(outputs, ",\n    "));
    out_ += line + "\n";
  }

  /// Appends the collected lines, their columns aligned.
  void flush(std::vector<Line>& lines, std::size_t depth) {
    std::size_t results = 0, typed = 0, whole = 0;
    const auto head = [&](const Line& l) {
      std::string text = l.results;
      if (text.empty()) return l.expression;
      pad(text, 0, results);
      return text + " = " + l.expression;
    };
    const auto with_type = [&](const Line& l) {
      std::string text = head(l);
      if (!l.type.empty()) {
        pad(text, 0, typed);
        text += " : " + l.type;
      }
      return l.tail.empty() ? text : text + " " + l.tail;
    };
    const auto grow = [](std::size_t& column, std::size_t wanted) {
      if (wanted <= kWidth * 2 / 3) column = std::max(column, wanted);
    };
    for (const Line& l : lines) grow(results, width(l.results));
    for (const Line& l : lines)
      if (!l.type.empty()) grow(typed, width(head(l)));
    for (const Line& l : lines)
      if (!l.at.empty()) grow(whole, width(with_type(l)));
    for (const Line& l : lines) {
      std::string text = with_type(l);
      if (!l.at.empty()) {
        pad(text, 0, whole);
        text += " " + l.at;
      }
      out_ += std::string(2 * depth, ' ') + text + "\n";
    }
    lines.clear();
  }

  void body(RegionId region, std::size_t depth) {
    std::vector<Line> lines;
    for (NodeId id : g_.regions[region].nodes) {
      const Node& node = g_.nodes[id];
      if (is_leaf(node)) continue;
      if (node.regions.empty()) {
        lines.push_back(line(node));
        continue;
      }
      flush(lines, depth);
      node.op == &loop_op() ? loop(node, depth) : cond(node, depth);
    }
    flush(lines, depth);
  }

  Line line(const Node& node) {
    Line line;
    std::vector<std::string> types;
    for (ValueId v : node.results) {
      if (g_.values[v].state >= 0) continue;
      line.results += (line.results.empty() ? "" : ", ") + g_.values[v].name;
      types.push_back(g_.values[v].type.to_string());
    }
    if (std::adjacent_find(types.begin(), types.end(), std::not_equal_to<>()) == types.end() && !types.empty())
      types.resize(1);
    line.type = fmt::format("{}", fmt::join(types, ", "));
    line.expression = expression(node);
    line.tail = hint_text(node.hint, node.fused);
    line.at = place(node.at);
    return line;
  }

  /// Lines of the text itself are implied: only others are worth writing.
  std::string place(Location at) const {
    const bool own = g_.files && !g_.files->empty() && at.file == g_.files->front().c_str();
    return at && !own ? location_text(at) : "";
  }

  static std::string hint_text(const hints& hint, int fused) {
    std::vector<std::string> entries;
    if (hint.fuse) entries.push_back(*hint.fuse ? "fuse" : "fuse=false");
    if (!hint.variant.empty()) entries.push_back("variant=" + quote(hint.variant));
    if (!hint.tile.empty()) entries.push_back(fmt::format("tile=[{}]", fmt::join(hint.tile, ", ")));
    if (fused >= 0) entries.push_back(fmt::format("group={}", fused));
    return entries.empty() ? "" : fmt::format("% {{{}}}", fmt::join(entries, ", "));
  }

  std::string expression(const Node& node) {
    std::vector<std::string> arguments;
    std::vector<ValueId> operands = node.operands;
    if (node.op->traits.state != StateUse::none) {
      arguments.push_back("$" + g_.states[g_.values[operands.back()].state].name);
      operands.pop_back();
    }
    // A literal is written bare where the parser would give it the dtype that it has.
    std::vector<ValueId> others = operands;
    for (ValueId& v : others)
      if (is_literal(v)) v = kNoValue;
    const auto text = [&](std::size_t i) {
      if (!is_literal(operands[i])) return operand(operands[i]);
      const auto& number = g_.nodes[g_.values[operands[i]].node].literal;
      return literal(operands[i], Draft::literal_dtype(*node.op, g_, others, i, number));
    };
    std::vector<std::string> attributes;
    for (const AttributeSpec& spec : node.op->attributes) {
      const Attribute* value = node.attributes.find(spec.name);
      if (value && !(spec.fallback && same_attribute(*value, *spec.fallback)))
        attributes.push_back(fmt::format("{}={}", spec.name, attribute_text(*value)));
    }
    if (is_infix(*node.op) && attributes.empty() && operands[0] != kNoValue && operands[1] != kNoValue)
      return fmt::format("{} {} {}", text(0), node.op->symbol, text(1));
    bool named = false;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const OperandSpec& spec = node.op->operands[std::min(i, node.op->operands.size() - 1)];
      named = named || spec.keyword || operands[i] == kNoValue;
      if (operands[i] == kNoValue) continue;
      arguments.push_back(named ? fmt::format("{}={}", spec.name, text(i)) : text(i));
    }
    arguments.insert(arguments.end(), attributes.begin(), attributes.end());
    return fmt::format("{}({})", node.op->name, fmt::join(arguments, ", "));
  }

  static bool is_infix(const OpDef& op) {
    return op.operands.size() == 2 && op.traits.state == StateUse::none && op.symbol.size() == 1 &&
           std::string_view("+-*/").find(op.symbol) != std::string_view::npos;
  }

  const Node* leaf(ValueId v) const {
    if (v == kNoValue || g_.values[v].node == kNoNode) return nullptr;
    const Node& node = g_.nodes[g_.values[v].node];
    return is_leaf(node) ? &node : nullptr;
  }
  bool is_literal(ValueId v) const {
    const Node* node = leaf(v);
    return node && node->op == &literal_op();
  }

  std::string literal(ValueId v, DType expected) const {
    const std::string text = literal_text(leaf(v)->literal);
    const DType dtype = g_.values[v].type.dtype;
    return dtype == expected ? text : fmt::format("{}({})", name(dtype), text);
  }

  /// A value as operand of something that is no operator, or as one that is not a number.
  std::string operand(ValueId v) const {
    const Node* node = leaf(v);
    if (!node) return g_.values[v].name;
    if (node->op == &literal_op())
      return literal(v, std::holds_alternative<double>(node->literal) ? DType::f32 : DType::i32);
    std::size_t next = 0;
    const auto index = [&] {
      const auto i = next++;
      if (i >= node->operands.size()) return std::to_string(node->index[i].offset);
      return (Dim::symbol(g_.values[node->operands[i]].name) * node->index[i].scale + Dim(node->index[i].offset))
          .to_string();
    };
    if (node->op == &constant_op())
      return "#" + g_.constants[node->decl].name + (node->index.empty() ? "" : "[" + index() + "]");
    std::string text = "@";
    for (char c : g_.weights[node->decl].pattern) {
      text += c;
      if (c == '{') text += index();
    }
    return text;
  }

  /// Names of values and then of states: what `carry` and `if` list.
  std::string states_of(const Node& node) const {
    std::string text;
    for (ValueId v : node.results)
      if (g_.values[v].state >= 0) text += ", $" + g_.states[g_.values[v].state].name;
    return text;
  }

  void next(const Region& region, std::size_t count, std::size_t depth) {
    std::string values;
    for (std::size_t i = 0; i < count; ++i) values += (i ? ", " : " ") + operand(region.results[i]);
    if (count) out_ += std::string(2 * depth, ' ') + "next" + values + "\n";
  }

  void loop(const Node& node, std::size_t depth) {
    const Region& region = g_.regions[node.regions[0]];
    std::string carried;
    std::size_t count = 0;
    for (; count + 1 < region.arguments.size() && g_.values[region.arguments[count + 1]].state < 0; ++count) {
      const std::string& name = g_.values[region.arguments[count + 1]].name;
      const std::string init = operand(node.operands[count]);
      carried += ", " + (name == init ? name : name + " = " + init);
    }
    carried += states_of(node);
    if (!carried.empty()) carried.replace(0, 1, " carry");
    const std::string at = place(node.at);
    out_ += fmt::format("{}for {} in {}..{}{}{} {{\n", std::string(2 * depth, ' '), g_.values[region.arguments[0]].name,
                        std::get<std::int64_t>(*node.attributes.find("from")),
                        std::get<std::int64_t>(*node.attributes.find("to")), carried, at.empty() ? "" : " " + at);
    body(node.regions[0], depth + 1);
    next(region, count, depth + 1);
    out_ += std::string(2 * depth, ' ') + "}\n";
  }

  void cond(const Node& node, std::size_t depth) {
    const std::string indent(2 * depth, ' ');
    std::string results;
    std::size_t count = 0;
    for (; count < node.results.size() && g_.values[node.results[count]].state < 0; ++count)
      results += ", " + g_.values[node.results[count]].name;
    results += states_of(node);
    if (!results.empty()) results = results.substr(2) + " = ";
    const std::string at = place(node.at);
    out_ += fmt::format("{}{}if {}{} {{\n", indent, results, operand(node.operands[0]), at.empty() ? "" : " " + at);
    body(node.regions[0], depth + 1);
    next(g_.regions[node.regions[0]], count, depth + 1);
    out_ += indent + "} else {\n";
    body(node.regions[1], depth + 1);
    next(g_.regions[node.regions[1]], count, depth + 1);
    out_ += indent + "}\n";
  }

  const GraphData& g_;
  std::string out_;
};

}  // namespace

std::string to_text(const GraphData& g) { return Printer(g).text(); }
std::string to_text(const Graph& graph, At at) { return to_text(graph.data(at)); }

}  // namespace openinfer
