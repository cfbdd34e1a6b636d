// SPDX-License-Identifier: Apache-2.0
// Every kind of error that building a graph can give names the user's own line. The checks [Cn] of the operators are
// held to the same by error_of in tests/ops, those of running by tests/sim/error_place_test.cpp.
//
// Some errors cannot have such a line:
// * of a graph text: they name the text's file and line (parse_test.cpp);
// * "[verify] …" of GraphData that no builder made: there is no user's line (verify_test.cpp). What the verifier
//   finds in a builder's graph names the line of build;
// * Graph::data and OpDef accessors: they serve the library itself, whose callers are no user's line;
// * OpSet::add: it belongs to no graph; its message names both operators;
// * arithmetic on a loop's index: `k * l` is a template and can capture no line, so that an index beyond 2^40 is an
//   error of the line that uses it.
#include <openinfer/op_def.h>
#include <openinfer/openinfer.h>

#include "tests/graph/check_place.h"
#include "tests/sim/test_package.h"

using namespace openinfer;

namespace {

const OpDef& twin_op() {
  static const OpDef op = {.name = "twin",
                           .operands = {{.name = "x"}},
                           .attributes = {{"times", AttributeKind::integer, std::int64_t{1}}},
                           .infer = [](const InferContext& c) { return std::vector(2, c.type(0)); }};
  return op;
}
const OpDef& needy_op() {
  static const OpDef op = {.name = "needy",
                           .operands = {{.name = "x"}, {.name = "y"}},
                           .attributes = {{"size", AttributeKind::dim}},
                           .infer = [](const InferContext& c) { return std::vector{c.type(0)}; },
                           .variants = {"fast"}};
  return op;
}

struct Fixture {
  GraphBuilder b, other;
  Dim N = b.dim("N", 1, 8);
  Value x = b.input("x", f32, {2});
  Value i = b.input("i", i32, {});
  Value p = b.input("p", boolean, {});
  Value foreign = other.input("y", f32, {2});
  State s = b.state("s", tensor_state(f32, {2}));
  Index foreign_index = 0;  // of a loop of another graph

  Fixture() {
    other.loop("k", 0, 2, [&](Index k) { foreign_index = k; });
  }
};

}  // namespace

// clang-format off: CHECK_PLACE and what it checks stand on one line.

TEST_CASE_METHOD(Fixture, "declarations_name_the_users_line") {
  CHECK_PLACE("'for' is no name", (void)b.input("for", f32, {}));
  CHECK_PLACE("'x' is taken", (void)b.input("x", f32, {}));
  CHECK_PLACE("inputs have plain dtypes", (void)b.input("q", DType::q4_0, {32}));
  CHECK_PLACE("[input] 'z' is declared inside", b.loop("l", 0, 2, [&](Index) { (void)b.input("z", f32, {}); }));
  Fixture f;
  CHECK_PLACE("is bounded by [5, 2]", (void)f.b.dim("M", 5, 2));
  CHECK_PLACE("is declared with [1, 8] and with [1, 9]", (void)f.b.dim("N", 1, 9));
  CHECK_PLACE("'s' is declared twice", (void)f.b.state("s", tensor_state(f32, {})));
  CHECK_PLACE("states have plain dtypes", (void)f.b.state("t", tensor_state(DType::q8_0, {32})));
  CHECK_PLACE("a kv_cache has a float dtype", (void)f.b.state("t", kv_cache({.dtype = i32})));
  (void)f.b.constant("c", Tensor{1.0f});
  CHECK_PLACE("'c' is declared twice", (void)f.b.constant("c", Tensor{1.0f}));
  CHECK_PLACE("constants have plain dtypes", (void)f.b.constant(Tensor(DType::q4_0, {32})));
  CHECK_PLACE("'c' is declared twice", (void)f.b.table("c", {1, 2}));
  f.b.output("y", f.x);
  CHECK_PLACE("'y' is declared twice", f.b.output("y", f.x));
  CHECK_PLACE("'return' is no name", f.b.output("return", f.x));
  CHECK_PLACE("[output] 'w' is declared inside", f.b.loop("l", 0, 2, [&](Index) { f.b.output("w", f.x); }));
}

TEST_CASE_METHOD(Fixture, "operands_name_the_users_line") {
  CHECK_PLACE("an operand is an empty Value", (void)(x + Value()));
  CHECK_PLACE("'y' belongs to another graph", (void)(x + foreign));
  CHECK_PLACE("none of the operands belongs to a graph", (void)add(1, 2));
  CHECK_PLACE("operand of this call belongs to another graph", (void)b.value(foreign_index));
  CHECK_PLACE("belongs to another graph", (void)(x + foreign_index));
  CHECK_PLACE("[concat] of no parts", (void)concat({}));
  CHECK_PLACE("[literal] 300 does not fit i8", (void)(cast(x, i8) + 300));
  CHECK_PLACE("[literal] 0.5 stands where i32 is wanted", (void)(i + 0.5));
  CHECK_PLACE("[literal] 5 does not fit bool", (void)and_(p, 5));
  CHECK_PLACE("this Value is empty", (void)Value().type());
  CHECK_PLACE("this Value is empty", (void)Value().shape());
  CHECK_PLACE("this Value is empty", (void)Value().dtype());
  CHECK_PLACE("this Value is empty", (void)Value().name());
  Value leak;
  b.loop("l", 0, 2, [&](Index) { leak = exp(x); });
  CHECK_PLACE("lives inside a loop that has ended", (void)(x + leak));
  CHECK_PLACE("lives inside a loop that has ended", b.output("leak", leak));
}

TEST_CASE_METHOD(Fixture, "operator_calls_name_the_users_line") {
  CHECK_PLACE("takes 1 operands, not 2", (void)apply(twin_op(), {x, x}));
  CHECK_PLACE("operand 'y' is missing", (void)apply(needy_op(), {x, std::nullopt}, {{"size", N}}));
  CHECK_PLACE("needs the attribute 'size'", (void)apply(needy_op(), {x, x}));
  CHECK_PLACE("has no attribute 'sizes'", (void)apply(needy_op(), {x, x}, {{"size", N}, {"sizes", N}}));
  CHECK_PLACE("has the wrong kind", (void)apply(needy_op(), {x, x}, {{"size", 1.5}}));
  CHECK_PLACE("dimension 'M' is not declared", (void)apply(needy_op(), {x, x}, {{"size", Dim::symbol("M")}}));
  CHECK_PLACE("takes no state", (void)apply(twin_op(), {x}, {}, {.state = s}));
  CHECK_PLACE("needs a state", (void)apply(*OpSet::builtin().find("state_write"), {x}));
  CHECK_PLACE("[|] the pipe is empty", (void)(x | Pipe{}));
  CHECK_PLACE("has 2 results and cannot be piped", (void)(x | Pipe{.op = &twin_op()}));
  CHECK_PLACE("dimension 'M' is not declared", (void)reshape(x, {Dim::symbol("M")}));
  CHECK_PLACE("dimension 'M' is not declared", (void)fill(b, {Dim::symbol("M")}, 1));
}

TEST_CASE_METHOD(Fixture, "hints_name_the_line_of_the_percent_sign") {
  auto y = x + 1;
  auto loop = b.loop("l", 0, 2, x, [&](Index, Value x) { return x; });
  CHECK_PLACE("[hints] 'x' is an input", (void)(x % hints{.fuse = true}));
  CHECK_PLACE("[hints] the value is empty", (void)(Value() % hints{.fuse = true}));
  CHECK_PLACE("a tile is 1 to 3 positive numbers", (void)(y % hints{.tile = {0}}));
  CHECK_PLACE("has no kernel variants", (void)(y % hints{.variant = "mma"}));
  CHECK_PLACE("takes no hint but a name", (void)(loop % hints{.fuse = false}));
  CHECK_PLACE("'a b' is no name", (void)(y % hints{.name = "a b"}));
  CHECK_PLACE("cannot be named", (void)(b.constant(Tensor{1.0f}) % hints{.name = "a"}));
  const int percent = __LINE__ + 1;
  auto pipe = silu() % hints{.tile = {0}};
  check_place({__FILE__, percent}, "a tile is 1 to 3 positive numbers", [&] { (void)(x | pipe); });
  auto z = apply(needy_op(), {x, x}, {{"size", N}})[0];
  CHECK_PLACE("has no variant 'slow'; it has fast", (void)(z % hints{.variant = "slow"}));
}

TEST_CASE_METHOD(Fixture, "regions_name_the_users_line") {
  CHECK_PLACE("from <= to", b.loop("l", 3, 2, [](Index) {}));
  CHECK_PLACE("'in' is no name", b.loop("in", 0, 2, [](Index) {}));
  CHECK_PLACE("an operand is an empty Value", (void)b.loop("l", 0, 2, Value(), [](Index, Value x) { return x; }));
  CHECK_PLACE("'y' belongs to another graph", (void)b.loop("l", 0, 2, foreign, [](Index, Value x) { return x; }));
  CHECK_PLACE("a scalar bool[] is needed", (void)b.cond(
                                               x, [&] { return x; }, [&] { return x; }));
  CHECK_PLACE("the branches return f32[2] and i32[]", (void)b.cond(
                                                          p, [&] { return x; }, [&] { return i; }));
}

TEST_CASE_METHOD(Fixture, "what_leaves_a_region_names_the_users_line") {
  CHECK_PLACE("enters as f32[2] and leaves the body as f32[]",
              (void)b.loop("l", 0, 2, x, [](Index, Value x) { return sum(x); }));
  Fixture f;
  CHECK_PLACE("enters as f32[2] and leaves the body as f16[2]",
              (void)f.b.loop("l", 0, 2, f.x, [](Index, Value x) { return cast(x, f16); }));
  Fixture g;
  CHECK_PLACE("'y' belongs to another graph", (void)g.b.loop("l", 0, 2, g.x, [&](Index, Value) { return g.foreign; }));
  Fixture h;
  CHECK_PLACE("an operand is an empty Value", (void)h.b.loop("l", 0, 2, h.x, [&](Index, Value) { return Value(); }));
  Fixture k;
  CHECK_PLACE("'y' belongs to another graph",
              (void)k.b.loop("l", 0, 2, carry(k.x, k.foreign), [](Index, Value x, Value y) { return carry(x, y); }));
  Fixture m;
  CHECK_PLACE("'y' belongs to another graph",
              (void)m.b.loop("l", 0, 2, carry(m.x, m.x), [&](Index, Value x, Value) { return carry(x, m.foreign); }));
  Fixture n;
  CHECK_PLACE("carries 2 values in and 1 out",
              (void)n.b.loop("l", 0, 2, carry(n.x, n.x), [&](Index, Value x, Value) { return carry(x); }));
  Fixture o;
  CHECK_PLACE("one branch returns 2 values and the other 1",
              (void)o.b.cond(
                  o.p, [&] { return carry(o.x, o.x); }, [&] { return carry(o.x); }));
  Fixture q;
  CHECK_PLACE("[literal] 3000000000 does not fit i32",
              (void)q.b.loop("l", 0, 2, carry(q.x, 3000000000), [](Index, Value x, Value y) { return carry(x, y); }));
}

TEST_CASE_METHOD(Fixture, "indices_and_tables_name_the_users_line") {
  auto table = b.table("t", {1, 2, 3});
  auto scalar = Table(b.draft(), 1);
  (void)b.constant("c", Tensor::scalar(1.0f));
  constexpr std::int64_t kFar = std::int64_t{1} << 41;
  CHECK_PLACE("#t has 3 entries and entry 3", (void)table[3]);
  CHECK_PLACE("#t is indexed by a loop of another graph", (void)table[foreign_index]);
  CHECK_PLACE("#t is indexed by 'i', which is no loop's index", (void)table[Index(b.draft(), i.id())]);
  CHECK_PLACE("#c is a scalar and takes no index", (void)scalar[0]);
  CHECK_PLACE("beyond 2^40", (void)table[Index(1) * kFar]);
  b.loop("l", 0, 2, [&](Index l) {
    CHECK_PLACE("beyond 2^40", (void)table[l * kFar]);
    CHECK_PLACE("beyond 2^40", (void)table[kFar * l - kFar * l.scale()]);
    CHECK_PLACE("beyond 2^40", (void)b.value(l + kFar));
    CHECK_PLACE("beyond 2^40", (void)(i + (l - kFar)));
  });
}

TEST_CASE_METHOD(Fixture, "arithmetic_on_dimensions_names_the_users_line") {
  constexpr std::int64_t kHuge = std::int64_t{1} << 61, kMax = INT64_MAX;
  CHECK_PLACE("[dim]", (void)(N * kHuge * 2));
  CHECK_PLACE("[dim]", (void)(4 * (N * kHuge)));
  CHECK_PLACE("[dim]", (void)(N * kMax));
  CHECK_PLACE("[dim]", (void)(N * kHuge + N * kHuge));
  CHECK_PLACE("[dim]", (void)(N + kMax));
  CHECK_PLACE("[dim]", (void)(kMax + N));
  CHECK_PLACE("[dim]", (void)(N - kMax - 1));
  CHECK_PLACE("[dim]", (void)(N * kHuge - N * -kHuge));
  const auto far = b.input("far", f32, {N * kHuge});
  CHECK_PLACE("[concat] ", (void)concat({far, far}));
  CHECK_PLACE("[reshape] ", (void)reshape(b.input("wide", f32, {kHuge, kHuge}), {-1}));
}

TEST_CASE_METHOD(Fixture, "states_and_views_name_the_users_line") {
  auto kv = b.state("kv", kv_cache({.layers = 1, .slots = 2, .capacity = 8, .heads = 1, .head_dim = 2}));
  auto rows = b.input("rows", f32, {2, 2});
  Value keys, values;
  std::tie(keys, values) = kv_read(kv, {.layer = 0});
  kv_write(kv, {.layer = 0, .step = i}, rows, rows);
  CHECK_PLACE("was read before a later write to $kv", (void)reshape(keys, {32}));
  CHECK_PLACE("takes a kv_cache, not tensor", (void)kv_read(s, {.layer = 0}));
  CHECK_PLACE("takes a tensor state, not kv_cache", (void)state_read(kv));
  CHECK_PLACE("takes a tensor state, not kv_cache", state_write(kv, x));
  CHECK_PLACE("'y' belongs to another graph", state_write(s, foreign));
  CHECK_PLACE("'y' belongs to another graph", kv_write(kv, {.layer = 0, .step = foreign}, rows, rows));
  const auto q = b.input("q", f32, {1, 1, 2, 2});
  CHECK_PLACE("'y' belongs to another graph", (void)sdpa(q, q, q, {.mask = foreign}));
}

TEST_CASE("weights_name_the_users_line") {
  sim_test::TestPackage package("openinfer_error_place"), second("openinfer_error_place_2");
  for (const char* key : {"A.0", "A.1", "B.0"}) package.add<float>(key, {2}, {1, 2});
  package.add<float>("B.1", {3}, {1, 2, 3});
  second.add<float>("A.0", {2}, {1, 2});
  const Model model = package.open(), stranger = second.open();
  GraphBuilder b(model), other;
  Index foreign = 0;
  other.loop("k", 0, 2, [&](Index k) { foreign = k; });
  auto x = b.input("x", f32, {2});
  CHECK_PLACE("no tensor \"A.2\"", (void)(x + model["A.2"]));
  CHECK_PLACE("no tensor \"A.7\"", (void)(x + model("A.{}", 7)));
  CHECK_PLACE("has more {} than indices", (void)(x + model("A.{}")));
  CHECK_PLACE("has 1 {} and 2 indices", (void)(x + model("A.{}", 0, 1)));
  CHECK_PLACE("belongs to another model", (void)(x + stranger["A.0"]));
  CHECK_PLACE("belongs to no model", (void)(x + Weight{.model = nullptr, .pattern = "A.0", .indices = {}, .at = {}}));
  CHECK_PLACE("an index of \"A.{}\" belongs to another graph", (void)(x + model("A.{}", foreign)));
  CHECK_PLACE("is no loop's index", (void)(x + model("A.{}", Index(b.draft(), x.id()))));
  CHECK_PLACE("none of the operands belongs to a graph", (void)add(model["A.0"], 1));
  b.loop("l", 0, 2, [&](Index l) {
    CHECK_PLACE("a family has one shape", (void)(x + model("B.{}", l)));
    CHECK_PLACE("no tensor \"A.2\"", (void)(x + model("A.{}", l + 1)));
    CHECK_PLACE("beyond 2^40", (void)(x + model("A.{}", l * (std::int64_t{1} << 41))));
  });
  b.loop("l", 0, 0, [&](Index l) { CHECK_PLACE("never turns", (void)(x + model("A.{}", l))); });
  b.loop("l", 0, 1 << 30, [&](Index l) { CHECK_PLACE("would have 1073741824 members", (void)(x + model("A.{}", l))); });
  b.loop("l", 0, 1, [&](Index l) { (void)(x + model("B.{}", l)); });
  b.loop("l", 1, 2,
         [&](Index l) { CHECK_PLACE("@B.{} is declared as (2) and as (3)", (void)b.value(model("B.{}", l))); });
  CHECK_PLACE("no metadata \"n_layers\"", (void)model.meta<std::int64_t>("n_layers"));
}

TEST_CASE("families_of_several_dtypes_name_the_users_line") {
  sim_test::TestPackage package("openinfer_error_place");
  package.add<float>("A.0", {2}, {1, 2});
  package.add<double>("A.1", {2}, {1, 2});
  opnf::TensorSpec q;
  q.key = "Q", q.dtype = "q8_0", q.shape = {32};
  const std::vector<std::byte> block(34);
  package.writer().tensor(std::move(q), block);
  const Model model = package.open();
  GraphBuilder b(model);
  CHECK_PLACE("cast it to f32 first", (void)exp(b.value(model["Q"])));
  CHECK_PLACE("cast it to f32 first", b.output("q", model["Q"]));
  b.loop("l", 0, 2, [&](Index l) {
    CHECK_PLACE("gives another type for f32 than for f64", (void)exp(b.value(model("A.{}", l))));
  });
}

TEST_CASE_METHOD(Fixture, "building_names_the_users_line") {
  CHECK_PLACE("[graph] has no output", (void)GraphBuilder().build());
  CHECK_PLACE("[graph] has no output", (void)graph([](GraphBuilder&) {}));
  CHECK_PLACE("built while a loop or branch is still open", b.loop("l", 0, 2, [&](Index) { (void)b.build(); }));
  Fixture f;
  Tensor odd(boolean, {1});
  odd.mutable_bytes()[0] = std::byte{7};
  f.b.output("odd", f.b.constant(odd));
  CHECK_PLACE("holds a bool that is neither 0 nor 1", (void)f.b.build());
  Fixture g;
  g.b.output("y", g.x);
  (void)g.b.build();
  CHECK_PLACE("[graph] the graph is built", (void)g.b.build());
  CHECK_PLACE("[add] the graph is built", (void)(g.x + 1));
  CHECK_PLACE("the graph is built", (void)g.x.type());
  CHECK_PLACE("the graph is built", (void)g.s.spec());
  CHECK_PLACE("the graph is built", (void)(g.x % hints{.fuse = true}));
  CHECK_PLACE("the graph is built", (void)g.b.dim("M", 1, 2));
  CHECK_PLACE("the graph is built", (void)g.b.input("z", f32, {}));
  CHECK_PLACE("the graph is built", (void)g.b.state("z", tensor_state(f32, {})));
  CHECK_PLACE("the graph is built", (void)g.b.constant(Tensor{1.0f}));
  CHECK_PLACE("the graph is built", g.b.output("z", g.x));
  CHECK_PLACE("the graph is built", g.b.loop("l", 0, 2, [](Index) {}));
  CHECK_PLACE("the graph is built", (void)g.b.cond(
                                        g.p, [&] { return g.x; }, [&] { return g.x; }));
  CHECK_PLACE("this Graph is empty", (void)Graph().inputs());
  CHECK_PLACE("this Graph is empty", (void)Graph().outputs());
  CHECK_PLACE("this Graph is empty", (void)to_text(Graph()));
  CHECK_PLACE("this Graph is empty", (void)to_dot(Graph()));
}

TEST_CASE("a_package_graph_names_the_users_line") {
  sim_test::TestPackage package("openinfer_error_place");
  package.add<float>("A.0", {2}, {1, 2});
  const Model model = package.open();
  CHECK_PLACE("[graph] has no output", (void)graph(model, [](GraphBuilder&) {}));
}

TEST_CASE("tensors_name_the_users_line") {
  CHECK_PLACE("[tensor] 3 values do not fill a tensor of shape (2)", (void)Tensor(std::vector{1, 2, 3}, {2}));
  CHECK_PLACE("[tensor] a tensor cannot have the extent -1", (void)Tensor(f32, {-1}));
  CHECK_PLACE("[tensor] 33 elements are no whole number of q4_0 blocks", (void)Tensor(DType::q4_0, {33}));
  CHECK_PLACE("[tensor] holds f32, not i32", (void)Tensor{1.0f}.data<std::int32_t>());
  CHECK_PLACE("[tensor] holds f32, not i32", (void)Tensor{1.0f}.mutable_data<std::int32_t>());
}
