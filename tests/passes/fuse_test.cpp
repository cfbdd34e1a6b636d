// SPDX-License-Identifier: Apache-2.0
// Which nodes become one kernel: each rule alone, what it must leave, and what the groups look like to the plan.
#include <fmt/format.h>

#include <set>

#include "lib/passes/fused_group.h"
#include "tests/passes/before_after.h"

using namespace pass_test;

namespace {

using Kind = FusedGroup::Kind;
using Siblings = FusedGroup::Siblings;

/// The marks of `marked`, written as `% {group=…}`, are what the rules give; all rules, or `only` one.
void check_fused(const std::string& marked, const std::string& only = "") {
  const Graph wanted = parse_graph(marked);
  std::vector<std::string> off;
  for (std::string_view rule : fusion_rules())
    if (!only.empty() && rule != only) off.emplace_back(rule);
  const GraphPtr plain = fuse(wanted.shared(), std::vector<std::string>{"all"});
  const GraphPtr fused = fuse(plain, off);
  CHECK(to_text(*fused) == to_text(wanted));
  verify_pass(fused);
  CHECK(fuse(fused, off) == fused);
}
void check(const std::string& marked, const std::string& only = "", const std::string& result = "f32[N, 4]") {
  check_fused(graph(marked, result), only);
}

FusedGroup group_of(const std::string& source, int group = 0) { return classify(parse_graph(source).data(), group); }

std::vector<std::string> names(const GraphData& g, const std::vector<ValueId>& values) {
  std::vector<std::string> names;
  for (ValueId v : values) names.push_back(g.values[v].name);
  return names;
}

std::size_t kernel_count(const std::string& source) {
  const GraphPtr g = fuse(parse_graph(source).shared());
  std::set<std::pair<int, NodeId>> kernels;
  for (NodeId n = 0; n < g->nodes.size(); ++n) {
    const int group = g->nodes[n].fused;
    if (!is_leaf(g->nodes[n]) && g->nodes[n].regions.empty()) kernels.insert({group, group < 0 ? n : 0});
  }
  return kernels.size();
}

const std::string kCache =
    "oig 1\ndim 1 <= N <= 8\nstate $kv : kv_cache(f32, layers=2, slots=2, heads=2, capacity=8, head_dim=4)\n"
    "graph (q: f32[N, 8], k: f32[N, 8], v: f32[N, 8], pos: i32[N], slot: i32[N]) -> (y: f32[N, 8]) {\n";

}  // namespace

TEST_CASE("elementwise_chains_and_trees_are_one_kernel") {
  check("a = x * 2.0 % {group=0}\nb = silu(a) % {group=0}\nreturn b");
  check("a = x * r % {group=0}\nb = z + 1.0 % {group=0}\nc = a - b % {group=0}\nreturn c");
  check("a = cast(h, dtype=f32) % {group=0}\nb = lt(a, x) % {group=0}\nc = select(b, a, z) % {group=0}\nreturn c");
  // Used elsewhere too: one more result of the kernel.
  check(
      "a = x * 2.0 % {group=0}\nb = silu(a) % {group=0}\nm = matmul(a, @m)\nc = reshape(b, shape=[N, 4])\n"
      "d = reshape(m, shape=[N, 4])\nreturn c");
}

TEST_CASE("elementwise_nodes_of_other_shapes_or_regions_stay_apart") {
  check("a = r * 2.0\nb = x + a\nreturn b");
  check("a = silu(x)\nb = transpose(a)\nc = transpose(b)\nd = neg(c)\nreturn d");
  check("a = silu(x)\nfor l in 0..4 carry a {\nb = neg(a)\nnext b\n}\nreturn a");
  check("a = silu(x)\nu = if p {\nb = neg(a)\nnext b\n} else {\nnext a\n}\nreturn u");
  check("a = silu(x)\nb = neg(z)\nc = matmul(a, @m)\nd = matmul(b, @m)\ne = reshape(c, shape=[N, 4])\nreturn e");
}

TEST_CASE("a_hint_keeps_a_node_out") {
  check("a = x * 2.0 % {group=0}\nb = silu(a) % {group=0}\nc = neg(b) % {fuse=false}\nd = abs(c)\nreturn d");
  check("a = rms_norm(x, @b) % {fuse=false}\nb = matmul(a, @m)\nreturn b");
  check("b = matmul(x, @m) % {fuse=false}\nc = matmul(x, @m)\nd = reshape(b, shape=[N, 4])\nreturn c");
}

TEST_CASE("nothing_joins_around_what_must_run_between") {
  // b waits for the product that waits for a.
  check("a = silu(x)\nm = matmul(a, @m)\nn = reshape(m, shape=[N, 4])\nb = a - n\nreturn b");
  // a with i1 would wait for b with e, and that for a with i1.
  check(
      "a = silu(x)\nb = silu(z) % {group=0}\nc = transpose(a)\nd = transpose(c)\ne = b + d % {group=0}\n"
      "f = transpose(b)\ng = transpose(f)\ni1 = a + g % {group=1}\nj = e - i1 % {group=1}\nreturn j");
}

TEST_CASE("who_looks_at_a_cache_runs_before_the_next_write") {
  const auto check_apart = [](const std::string& lines) {
    check_fused(
        "oig 1\nstate $kv : kv_cache(f32, layers=1, slots=1, heads=1, capacity=4, head_dim=2)\n"
        "graph (x: f32[1, 2], pos: i32[1], p: bool[]) -> (y: f32[1, 1, 4, 2]) {\nk1, v1 = kv_read($kv, layer=0)\n" +
        lines + "\nreturn y\n}\n");
  };
  const std::string write = "kv_write($kv, x, x, layer=0, pos=pos)\nk2, v2 = kv_read($kv, layer=0)\n";
  check_apart("a = k1 + 1\n" + write + "y = a + k2");
  check_apart("r = reshape(k1, shape=[8])\na = r + 1\n" + write +
              "s = reshape(k2, shape=[8])\nb = a + s\ny = reshape(b, shape=[1, 1, 4, 2])");
  // In a branch that writes, a view of the version around it.
  check_apart("y, $kv = if p {\na = k1 + 1\n" + write + "b = a + k2\nnext b\n} else {\nc = k1 + 0\nnext c\n}");
}

TEST_CASE("elementwise_nodes_follow_products_and_reductions") {
  check("a = matmul(x, @m) % {group=0}\nb = silu(a) % {group=0}\nc = b + z % {group=0}\nreturn c");
  check("a = sum(x, axes=[1], keepdims=true) % {group=0}\nb = a * 0.25 % {group=0}\nc = x - b\nreturn c");
  check("a = softmax(x) % {group=0}\nb = a * z % {group=0}\nreturn b");
  check("a = rms_norm(x, @b) % {group=0}\nb = a + z % {group=0}\nreturn b");
  check("a = gather(@m, i) % {group=0}\nb = a * 2.0 % {group=0}\nreturn b");
  check("a = argmax(x) % {group=0}\nb = a + 1 % {group=0}\nreturn b", "", "i32[N]");
  check("a = transpose(x)\nb = neg(a)\nc = transpose(b)\nreturn c");
  // A sum of two products follows the later one.
  check("a = matmul(x, @m)\nb = matmul(z, @m) % {group=0}\nc = a + b % {group=0}\nreturn c");
  // Eight-bit floats have no scalar expression: they are decoded.
  const std::string f8 =
      "oig 1\ngraph (x: f8e4m3[4]) -> (y: f32[4]) {\na = cast(x, dtype=f32)\nb = a * 2.0\nc = silu(b)\nreturn c\n}\n";
  CHECK(kernel_count(f8) == 2);
  // What is stored in blocks is decoded by a kernel of its own.
  check("a = cast(@q, dtype=f32)\nb = a * 2.0\nreturn b", "", "f32[4, 32]");
}

TEST_CASE("products_over_one_x_are_one_dispatch") {
  check(
      "a = matmul(x, @w0) % {group=0}\nb = matmul(x, @w1) % {group=0}\nc = matmul(x, @n) % {group=0}\n"
      "d = reshape(a, shape=[N, 4])\nreturn d");
  const std::string stacked = graph(
      "a = matmul(x, @m) % {group=0}\nb = a + @b % {group=0}\nc = matmul(x, @n) % {group=0}\n"
      "d = silu(c) % {group=0}\nreturn b");
  check_fused(stacked);
  CHECK(group_of(stacked).siblings == Siblings::stacked);
  // Another x, format, hint; a computed matrix.
  check("a = matmul(x, @m)\nb = matmul(z, @m)\nreturn b");
  check("a = matmul(x, @m)\nb = matmul(x, @q)\nreturn a");
  check("a = matmul(x, @m) % {tile=[8]}\nb = matmul(x, @m)\nreturn b");
  check("a = transpose(x)\nb = matmul(x, a)\nc = matmul(x, @m)\nreturn c");
}

TEST_CASE("columns_meet_only_in_products_of_one_width") {
  const std::string zipped = graph(
      "g = matmul(x, @w0) % {group=0}\na = silu(g) % {group=0}\n"
      "u = matmul(x, @w1) % {group=0}\nb = a * u % {group=0}\nreturn b");
  check_fused(zipped);
  CHECK(group_of(zipped).siblings == Siblings::zipped);
  // @n is wider: its columns do not stand beside the others'.
  check(
      "g = matmul(x, @w0) % {group=0}\nu = matmul(x, @w1) % {group=0}\nw = matmul(x, @n) % {group=0}\n"
      "b = g * u\nreturn b");
}

TEST_CASE("a_norm_that_only_one_group_reads_is_part_of_it") {
  check("a = rms_norm(x, @b) % {group=0}\nb = matmul(a, @m) % {group=0}\nc = matmul(a, @n) % {group=0}\nreturn b");
  check("a = layer_norm(x, @b, @b) % {group=0}\nb = matmul(a, @m) % {group=0}\nreturn b");
  // Two groups, another use, an output, a use inside a loop.
  check("a = rms_norm(x, @b)\nb = matmul(a, @m)\nc = matmul(a, @q)\nreturn b");
  check("a = rms_norm(x, @b)\nb = matmul(a, @m) % {group=0}\nc = a + b % {group=0}\nreturn c");
  check("a = rms_norm(x, @b)\nb = matmul(a, @m)\nreturn a");
  check("a = rms_norm(x, @b)\nb = matmul(a, @m)\nfor l in 0..4 carry b {\nc = b + a\nnext c\n}\nreturn b");
  // The rows of a batch are not those of the norm's x.
  check(
      "a = rms_norm(x, @b)\nw = reshape(@m, shape=[1, 4, 4])\nb = matmul(a, w)\nc = reshape(b, shape=[N, 4])\nreturn "
      "c");
}

TEST_CASE("k_is_rotated_on_its_way_into_the_cache") {
  const std::string write = "kv_write($kv, a, v, layer=0, pos=pos, slot=slot)";
  check_fused(kCache + "a = rope(k, pos=pos, head_dim=4) % {group=0}\n" + write + " % {group=0}\nreturn q\n}\n");
  check_fused(kCache + "a = rope(k, pos=pos, head_dim=4)\n" + write + "\nreturn a\n}\n");
  check_fused(kCache + "a = rope(k, pos=pos, head_dim=8)\n" + write + "\nreturn q\n}\n");
  check_fused(kCache +
              "a = rope(v, pos=pos, head_dim=4)\nkv_write($kv, k, a, layer=0, pos=pos, slot=slot)\nreturn q\n}\n");
}

TEST_CASE("attention_looks_at_the_cache_in_place") {
  const std::string read = "ks, vs = kv_read($kv, layer=0)", sdpa = "a = sdpa(q, ks, vs, pos=pos, slot=slot)";
  check_fused(kCache + read + " % {group=0}\n" + sdpa + " % {group=0}\nreturn a\n}\n");
  check_fused(kCache + read + " % {group=0}\n" + sdpa + " % {group=0}\nb = a + q\nreturn b\n}\n");
  check_fused(kCache + read + "\na = sdpa(q, vs, ks, pos=pos, slot=slot)\nreturn a\n}\n");
  check_fused(kCache + read + "\n" + sdpa + "\nb = sdpa(k, ks, vs, pos=pos, slot=slot)\nc = a + b\nreturn c\n}\n");
}

TEST_CASE("each_rule_is_switched_off_by_its_name") {
  const std::string body = "a = x * 2.0\nb = silu(a)\nm = matmul(b, @m)\nc = m + z\nreturn c";
  const Graph g = parse_graph(graph(body));
  const auto text = [&](std::vector<std::string> off) {
    return to_text(run_passes(g, compilation_passes(), {.no_fuse = std::move(off)}).graph);
  };
  CHECK(text({"all"}) == to_text(g));
  CHECK(text({"elementwise"}) ==
        text_of(graph("a = x * 2.0\nb = silu(a)\nm = matmul(b, @m) % {group=0}\nc = m + z % {group=0}\nreturn c")));
  CHECK(text({"epilogue", "siblings"}) ==
        text_of(graph("a = x * 2.0 % {group=0}\nb = silu(a) % {group=0}\nm = matmul(b, @m)\nc = m + z\nreturn c")));
  CHECK_THROWS_WITH(text({"epilog"}), "[fuse] no rule is called 'epilog'; did you mean 'epilogue'?");
}

TEST_CASE("a_kernel_binds_no_more_buffers_than_devices_offer") {
  std::string body = "a0 = x + z\n";
  for (int i = 0; i < 20; ++i) body += fmt::format("b{} = transpose(x)\nc{} = transpose(b{})\n", i, i, i);
  for (int i = 0; i < 20; ++i) body += fmt::format("a{} = a{} + c{}\n", i + 1, i, i);
  const GraphPtr fused = fuse(parse_graph(graph(body + "return a20")).shared());
  const FusedGroup first = classify(*fused, 0), second = classify(*fused, 1);
  CHECK(first.inputs.size() + first.outputs.size() == kMostBuffers);
  CHECK(first.nodes.size() + second.nodes.size() == 21);
}

int lowered = 0;

/// What asks how a node is computed is counted.
const OpDef& counted_op() {
  static const OpDef op = {.name = "counted",
                           .operands = {{.name = "x"}},
                           .traits = {.elementwise = true},
                           .infer = [](const InferContext& c) { return std::vector<TensorType>{c.type(0)}; },
                           .lower =
                               [](const InferContext&) {
                                 ++lowered;
                                 return Lowering(ScalarFn([](std::span<const ScalarExpr> x) { return x[0]; }));
                               }};
  return op;
}

TEST_CASE("fusing_asks_once_how_a_node_is_computed") {
  for (const int nodes : {100, 1000}) {
    const Graph chain = graph([&](GraphBuilder& b) {
      Value x = b.input("x", f32, {4});
      for (int i = 0; i < nodes; ++i) x = apply(counted_op(), {x}).front();
      b.output("y", x);
    });
    lowered = 0;
    const GraphPtr fused = fuse(chain.shared());
    CHECK(lowered == nodes);
    const Uses uses(*fused);
    std::size_t in_groups = 0;
    for (int group = 0; !uses.marked(group).empty(); ++group) in_groups += uses.marked(group).size();
    CHECK(in_groups >= static_cast<std::size_t>(nodes - 1));
    CHECK(uses.marked(-1).empty());
  }
}

TEST_CASE("a_group_is_described_for_the_plan") {
  const Graph g = parse_graph(
      graph("h1 = rms_norm(x, @b) % {group=4}\ng = matmul(h1, @w0) % {group=4}\nu = matmul(h1, @w1) % {group=4}\n"
            "a = silu(g) % {group=4}\nb = a * u % {group=4}\nc = b + z % {group=4}\nd = transpose(b)\nreturn c"));
  const FusedGroup group = classify(g.data(), 4);
  const auto& nodes = g.data().nodes;
  CHECK(name(group.kind) == "product");
  CHECK(group.siblings == Siblings::zipped);
  CHECK(nodes[group.norm].op->name == "rms_norm");
  REQUIRE(group.products.size() == 2);
  REQUIRE(group.tail.size() == 3);
  CHECK(nodes[group.tail[0]].op->name == "silu");
  CHECK(nodes[group.tail[2]].op->name == "add");
  CHECK(names(g.data(), group.inputs) == std::vector<std::string>{"x", "", "", "", "z"});
  CHECK(names(g.data(), group.outputs) == std::vector<std::string>{"b", "c"});
  const Uses uses(g.data());
  for (NodeId n : g.data().top().nodes)
    if (nodes[n].op->name == "transpose") CHECK(classify_node(g.data(), uses, n).kind == Kind::other);
  CHECK_THROWS_WITH(classify(g.data(), 3), "[fuse] no node belongs to a group 3");
}

TEST_CASE("a_group_that_no_kernel_computes_is_named_with_the_rule") {
  const auto refused = [](const std::string& body) {
    const Graph g = parse_graph(graph(body));
    try {
      classify(g.data(), 0);
    } catch (const Error& e) {
      CHECK(e.code() == ErrorCode::invalid_argument);
      return e.message();
    }
    return std::string("nothing");
  };
  CHECK(refused("a = silu(x) % {group=0}\nb = matmul(a, @m) % {group=0}\nreturn b") ==
        "[fuse] no kernel computes group 0: silu reads nothing of the group");
  CHECK(refused("a = softmax(x) % {group=0}\nb = softmax(a) % {group=0}\nreturn b") ==
        "[fuse] no kernel computes group 0: softmax and softmax are no kernel");
  CHECK(refused("a = transpose(x) % {group=0}\nb = neg(a) % {group=0}\nreturn x") ==
        "[fuse] no kernel computes group 0: transpose takes no epilogue");
  CHECK(refused("a = silu(x) % {group=0}\nb = silu(z) % {group=0}\nc = matmul(a, @m)\nd = matmul(b, @m)\nreturn c") ==
        "[fuse] no kernel computes group 0: elementwise nodes that do not hang together");
}

TEST_CASE("only_operators_belong_to_groups") {
  const Graph g = parse_graph(graph("a = matmul(x, @m)\nfor l in 0..4 carry a {\nb = silu(a)\nnext b\n}\nreturn a"));
  for (NodeId n = 0; n < g.data().nodes.size(); ++n) {
    const Node& node = g.data().nodes[n];
    auto broken = std::make_shared<GraphData>(g.data());
    broken->nodes[n].fused = 0;
    if (is_leaf(node) || !node.regions.empty())
      CHECK_THROWS_WITH(verify_pass(broken), Catch::Contains("is no operator and belongs to no group"));
    else
      CHECK_NOTHROW(verify_pass(broken));
  }
}

TEST_CASE("groups_are_verified") {
  const auto error = [](const std::string& body) {
    try {
      parse_graph(graph(body));
    } catch (const Error& e) {
      return e.message();
    }
    return std::string("nothing");
  };
  CHECK(error("a = silu(x) % {group=0}\nm = matmul(a, @m)\nb = a - m % {group=0}\nreturn b") ==
        "[verify] group 0 cannot run as one: something between its nodes needs one of them and is needed by another");
  CHECK(
      error(
          "a = silu(x) % {group=0}\nb = silu(z) % {group=1}\nc = neg(a) % {group=1}\nd = neg(b) % {group=0}\nreturn d")
          .starts_with("[verify] group 0 cannot run as one"));
  CHECK(error("a = silu(x) % {group=0}\nfor l in 0..4 carry a {\nb = neg(a) % {group=0}\nnext b\n}\nreturn a") ==
        "[verify] group 0 has nodes in two regions");
  CHECK(error("a = silu(x) % {group=-1}\nreturn a").starts_with("[oig] a group's number is within 0.."));
  // A write comes behind those who look at what it changes.
  CHECK(
      error(
          "a = state_read($s)\nd = silu(a) % {group=0}\nstate_write($s, d)\ne = state_read($s)\nf = d + e % {group=0}\n"
          "b = x + f\nreturn b")
          .starts_with("[verify] group 0 cannot run as one"));
}
