// SPDX-License-Identifier: Apache-2.0
// The verifier takes any GraphData: it says what is wrong, or the graph prints, parses and prints the same.
#include "lib/graph/verify.h"

#include <random>

#include "lib/graph/ir.h"
#include "lib/graph/print.h"
#include "tests/graph/text.h"
#include "tests/sanitizers.h"

using namespace openinfer;

namespace {

constexpr const char* kText = R"(oig 1
dim 1 <= N <= 8
weight @w.{0..2} : f32|f16[4, 4]
const #c : f32[2] = {1, 2}
state $s : tensor(f32, shape=[N, 4])
state $kv : kv_cache(f32, layers=2, slots=1, heads=1, capacity=N, head_dim=4)
graph (x: f32[N, 4], p: bool[]) -> (y: f32[N, 4]) {
  old = state_read($s)
  for l in 0..2 carry x, i = 0, $s {
    h = matmul(x, @w.{l})
    k = h * #c[l]
    if p {
      state_write($s, k)
    } else {
      state_write($s, old)
    }
    j = i + 1
    next k, j
  }
  z, $kv = if p {
    kv_write($kv, x, x, layer=0)
    next x
  } else {
    n = x * 2
    next n
  }
  a, b = kv_read($kv, layer=1)
  next = z + old
  return r
}
)";

GraphData graph_data() {
  std::string text = kText;
  text.replace(text.find("    if p {\n      state"), 8, "    $s = if p");
  text.replace(text.find("  next = z"), 6, "  r");
  return parse(text).data();
}

/// What the verifier says of the graph after `damage`.
std::string error_after(const std::function<void(GraphData&)>& damage) {
  GraphData g = graph_data();
  damage(g);
  return error_of([&] { verify(g); });
}

NodeId find_node(const GraphData& g, std::string_view op) {
  for (NodeId n = 0; n < g.nodes.size(); ++n)
    if (g.nodes[n].op->name == op) return n;
  FAIL("no node " << op);
  return 0;
}
ValueId find_value(const GraphData& g, std::string_view name) {
  for (ValueId v = 0; v < g.values.size(); ++v)
    if (g.values[v].name == name) return v;
  FAIL("no value " << name);
  return 0;
}
bool starts_with(const std::string& text, std::string_view start) {
  UNSCOPED_INFO(text);
  return text.starts_with(start);
}

}  // namespace

TEST_CASE("a_parsed_graph_verifies") {
  CHECK(error_after([](GraphData&) {}).empty());
}

TEST_CASE("each_rule_is_broken_once") {
  const auto node = [](GraphData& g, std::string_view op) -> Node& { return g.nodes[find_node(g, op)]; };
  const auto value = [](GraphData& g, std::string_view name) -> ValueInfo& { return g.values[find_value(g, name)]; };
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "matmul").operands[0] = 100000; }),
                    "[verify] an operand has the number 100000 of"));
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "matmul").operands[0] = find_value(g, "r"); }),
                    "[verify] value"));
  CHECK(error_after([&](GraphData& g) { node(g, "matmul").op = nullptr; }).ends_with("has no operator"));
  CHECK(starts_with(error_after([&](GraphData& g) { value(g, "h").type.dtype = f16; }),
                    "[matmul] result 'h' is f16[N, 4] and infer gives f32[N, 4]"));
  CHECK(starts_with(error_after([&](GraphData& g) { value(g, "h").type.dtype = static_cast<DType>(7); }),
                    "no dtype has the code 7"));
  CHECK(error_after([&](GraphData& g) { value(g, "h").type.shape[1] = -4; }) ==
        "[verify] value 'h' has the size -4; sizes begin at 0");
  CHECK(
      starts_with(error_after([&](GraphData& g) { value(g, "h").name = "k"; }), "[verify] two values are called 'k'"));
  CHECK(starts_with(error_after([&](GraphData& g) { value(g, "h").name = "for"; }), "[verify] 'for' is no name"));
  CHECK(starts_with(error_after([](GraphData& g) { g.regions[1].captures.pop_back(); }),
                    "[verify] region 1 captures other values than it says"));
  CHECK(starts_with(error_after([](GraphData& g) { g.regions[1].parent = 2; }),
                    "[verify] region 1 stands in the wrong place"));
  CHECK(starts_with(error_after([](GraphData& g) { g.regions[1].nodes.push_back(g.regions[1].nodes[0]); }),
                    "[verify] node"));
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "state_read").operands[0] = g.top().arguments.back(); }),
                    "[state_read] "));
  CHECK(starts_with(error_after([](GraphData& g) { g.weights[0].ranges[0].second = 1; }),
                    "[verify] @w.{} is declared for 0..1 and the loop asks for 0..2 at test.oig:"));
  CHECK(starts_with(error_after([](GraphData& g) {
                      g.weights[0].dtypes = {f16, f32};
                    }),
                    "[verify] weight @w.{}: dtypes are sorted"));
  CHECK(starts_with(error_after([](GraphData& g) { g.weights[0].pattern = "w{"; }), "[verify] weight 'w{': a key has"));
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "constant").index[0].offset = 1; }),
                    "[verify] #c is declared for 0..2 and the loop asks for 1..3"));
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "weight").index[0].scale = 0; }),
                    "[verify] an index with the factor 0 is a number"));
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "literal").literal = 0.5; }),
                    "[literal] 0.5 stands where i32 is wanted"));
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "literal").literal = std::int64_t{1} << 40; }),
                    "[literal] 1099511627776 does not fit i32"));
  CHECK(starts_with(error_after([](GraphData& g) { g.dims.clear(); }), "[verify] state $s names the dimension 'N'"));
  CHECK(starts_with(error_after([](GraphData& g) { g.states[0].spec.shape[0] = -1; }),
                    "[verify] state $s has the size -1; sizes begin at 0"));
  CHECK(starts_with(error_after([](GraphData& g) { g.outputs[0].name = "a b"; }), "[verify] the output 'a b'"));
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "loop").attributes.set("to", std::int64_t{-1}); }),
                    "[loop] needs from <= to within 32 bits"));
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "loop").operands.pop_back(); }), "[loop] carries"));
  CHECK(starts_with(error_after([](GraphData& g) { g.regions.clear(); }), "[verify] "));
  CHECK(starts_with(error_after([&](GraphData& g) { node(g, "matmul").regions = {1}; }),
                    "[verify] region 1 has another owner"));
}

TEST_CASE("a_view_is_not_used_after_a_later_write") {
  const auto lines = [](const std::string& text) {
    return parse_error(
        "oig 1\nstate $kv : kv_cache(f32, layers=2, slots=1, heads=1, capacity=8, head_dim=4)\n"
        "graph (x: f32[1, 4]) -> (y: f32[1, 4]) {\n" +
        text + "\nreturn x\n}");
  };
  CHECK(lines("a, b = kv_read($kv, layer=0)\nc = silu(a)\nkv_write($kv, x, x, layer=0)").empty());
  CHECK(lines("a, b = kv_read($kv, layer=0)\nkv_write($kv, x, x, layer=0)\nc = silu(a)") ==
        "[silu] 'a' was read before a later write to $kv; read it again at test.oig:6");
  CHECK(parse_error("oig 1\nstate $kv : kv_cache(f32, layers=2, slots=1, heads=1, capacity=8, head_dim=4)\n"
                    "graph (x: f32[1, 4]) -> (y: f32[1, 1, 8, 4]) {\na, b = kv_read($kv, layer=0)\n"
                    "kv_write($kv, x, x, layer=0)\nreturn a\n}") ==
        "[verify] 'a' was read before a later write to $kv; read it again at test.oig:4");
  // The second turn sees what the first one wrote.
  CHECK(
      lines("a, b = kv_read($kv, layer=0)\nfor l in 0..2 carry $kv {\nc = silu(a)\nkv_write($kv, x, x, layer=l)\n}") ==
      "[verify] 'a' was read before a later write to $kv; read it again at test.oig:6");
  CHECK(lines("a, b = kv_read($kv, layer=0)\nfor l in 0..2 {\nc = silu(a)\n}").empty());
}

TEST_CASE("any_damage_is_an_error_or_a_graph_that_prints") {
  std::mt19937 random(3);
  const auto below = [&](std::size_t n) { return static_cast<std::uint32_t>(n ? random() % n : 0); };
  const auto any_id = [&](std::size_t n) { return below(8) ? below(n) : below(2) ? ~0u : below(1u << 31); };
  const GraphData whole = graph_data();
  const auto damage = [&](GraphData& g) {
    Node& n = g.nodes[below(g.nodes.size())];
    Region& r = g.regions[below(g.regions.size())];
    ValueInfo& v = g.values[below(g.values.size())];
    const auto hit = [&](auto& list, std::size_t count) {
      const std::uint32_t kind = below(4);
      if (kind == 0 || list.empty()) return list.push_back(any_id(count));
      if (kind == 1) return list.pop_back();
      list[below(list.size())] = any_id(count);
    };
    switch (below(20)) {
      case 0: return hit(n.operands, g.values.size());
      case 1: return hit(n.results, g.values.size());
      case 2: return hit(n.regions, g.regions.size());
      case 3: return void(n.op = g.nodes[below(g.nodes.size())].op);
      case 4: return void(n.decl = static_cast<int>(any_id(3)));
      case 5: return n.index.clear();
      case 6: return hit(r.arguments, g.values.size());
      case 7: return hit(r.nodes, g.nodes.size());
      case 8: return hit(r.results, g.values.size());
      case 9: return hit(r.captures, g.values.size());
      case 10: return void(r.parent = any_id(g.regions.size()));
      case 11: return void(r.owner = any_id(g.nodes.size()));
      case 12: return void(v.state = static_cast<int>(any_id(3)) - 1);
      case 13: return void(v.node = any_id(g.nodes.size()));
      case 14: return void(v.region = any_id(g.regions.size()));
      case 15: return void(v.name = g.values[below(g.values.size())].name);
      case 16: return void(v.type = g.values[below(g.values.size())].type);
      case 17: return void(g.outputs[0].value = any_id(g.values.size()));
      case 18: return void(g.inputs.size() > 1 && below(2) ? g.inputs.pop_back() : g.states.pop_back());
      case 19: return n.attributes.set("from", std::int64_t{-5});
    }
  };
  std::size_t accepted = 0;
  for (int round = 0; round < 20000 / kFewer; ++round) {
    GraphData g = whole;
    for (std::uint32_t hits = 1 + below(3); hits > 0; --hits) damage(g);
    if (!error_of([&] { verify(g); }).empty()) continue;
    ++accepted;
    const std::string text = to_text(g);
    REQUIRE(to_text(parse(text)) == text);
  }
  CHECK(accepted > 0);  // harmless damage exists: both sides of the claim were seen
}
