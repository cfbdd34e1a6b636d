// SPDX-License-Identifier: Apache-2.0
// What users see of the builder: types, names, regions, tokens, and its errors with their own line.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <functional>
#include <optional>

#include "lib/graph/ir.h"
#include "tests/graph/check_place.h"

using namespace openinfer;

namespace {

/// The message of the Error that f throws; the test fails if it throws none.
std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    REQUIRE(e.code() != ErrorCode::internal);
    return e.what();
  }
  FAIL("no error was thrown");
  return {};
}

std::string here(int line) { return " at builder_test.cpp:" + std::to_string(line); }

const Node& node_of(const GraphData& g, std::string_view op) {
  for (const Node& n : g.nodes)
    if (n.op->name == op) return n;
  FAIL("no node " << op);
  return g.nodes[0];
}

}  // namespace

TEST_CASE("types_are_inferred_while_building") {
  GraphBuilder b;
  auto N = b.dim("N", 1, 8);
  auto x = b.input("x", f32, {N, 4});
  CHECK((x + 1).type().to_string() == "f32[N, 4]");
  CHECK(gt(x, 0).dtype() == boolean);
  CHECK((x | cast(f16)).type().to_string() == "f16[N, 4]");
  CHECK(reshape(x, {2, N, -1}).type().to_string() == "f32[2, N, 2]");
}

TEST_CASE("values_are_named_and_names_are_unique") {
  GraphBuilder b;
  auto x = b.input("x", f32, {2});
  auto y = exp(x), z = exp(x);
  CHECK(y.name() == "exp");
  CHECK(z.name() == "exp.1");
  CHECK(((x + y) % hints{.name = "sum_of_both"}).name() == "sum_of_both");
  CHECK((x | silu() % hints{.name = "gate"}).name() == "gate");
}

TEST_CASE("a_loop_is_one_region_and_carries_state_by_itself") {
  Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {2});
    auto s = b.state("s", tensor_state(f32, {2}));
    x = b.loop("l", 0, 30, x, [&](Index, Value x) {
      state_write(s, state_read(s) + x);
      return x * 2;
    });
    b.output("y", x);
  });
  const Node& loop = node_of(g.data(), "loop");
  const Region& body = g.data().regions[loop.regions.at(0)];
  CHECK(g.data().regions.size() == 2);
  CHECK(body.arguments.size() == 3);  // l, x, $s
  CHECK(g.data().values[body.arguments[2]].state == 0);
  CHECK(loop.operands.size() == 2);                                       // x, $s
  CHECK(g.data().values[g.data().top().results.back()].node != kNoNode);  // the last token comes out of the loop
  CHECK(body.captures.empty());
}

TEST_CASE("captures_are_explicit_through_nested_regions") {
  Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {});
    auto k = exp(x);
    x = b.loop("i", 0, 2, x,
               [&](Index, Value x) { return b.loop("j", 0, 2, x, [&](Index, Value x) { return x + k; }); });
    b.output("y", x);
  });
  REQUIRE(g.data().regions.size() == 3);
  const ValueId k = node_of(g.data(), "exp").results[0];
  CHECK(g.data().regions[1].captures == std::vector<ValueId>{k});
  CHECK(g.data().regions[2].captures == std::vector<ValueId>{k});
}

TEST_CASE("both_branches_join_the_states_that_one_of_them_writes") {
  Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {});
    auto s = b.state("s", tensor_state(f32, {}));
    auto y = b.cond(
        gt(x, 0),
        [&] {
          state_write(s, x);
          return x + 1;
        },
        [&] { return x; });
    b.output("y", y);
  });
  const Node& cond = node_of(g.data(), "cond");
  for (RegionId r : cond.regions) {
    CHECK(g.data().regions[r].arguments.size() == 1);
    CHECK(g.data().regions[r].results.size() == 2);
  }
}

TEST_CASE("errors_name_the_op_and_the_users_line") {
  GraphBuilder b;
  auto x = b.input("x", f32, {2, 576});
  auto w = b.input("w", f32, {1536, 576});
  // clang-format off
  CHECK_THAT(message_of([&] { (void)matmul(x, w); }), Catch::StartsWith("[matmul] K differs: lhs (2, 576) vs rhs (1536, 576)") && Catch::EndsWith(here(__LINE__)));
  CHECK_THAT(message_of([&] { (void)(x + w); }), Catch::StartsWith("[add]") && Catch::EndsWith(here(__LINE__)));
  CHECK_THAT(message_of([&] { (void)(x | cast(f16) | add(x)); }), Catch::StartsWith("[add]") && Catch::EndsWith(here(__LINE__)));
  // clang-format on
}

TEST_CASE("a_value_cannot_leave_its_loop_unreturned") {
  GraphBuilder b;
  auto x = b.input("x", f32, {2});
  Value leak;
  x = b.loop("l", 0, 3, x, [&](Index, Value x) {
    leak = exp(x) % hints{.name = "leak"};
    return x;
  });
  const std::string message = message_of([&] { (void)(x + leak); });
  CHECK(message == "[add] 'leak' lives inside a loop that has ended; return it from the body to carry it out" +
                       here(__LINE__ - 2));
}

TEST_CASE("carried_values_keep_their_type") {
  GraphBuilder b;
  auto N = b.dim("N", 1, 8);
  auto x = b.input("x", f32, {N, 576});
  const std::string message = message_of([&] {
    (void)b.loop("l", 0, 3, x, [&](Index, Value x) { return slice(x, {.axis = 1, .begin = 0, .end = 192}); });
  });
  CHECK_THAT(message, Catch::StartsWith("[loop] carried 'x' enters as f32[N, 576] and leaves the body as f32[N, 192]"));
}

TEST_CASE("misuse_is_refused") {
  GraphBuilder a, b;
  auto x = a.input("x", f32, {2});
  auto y = b.input("y", f32, {2});
  CHECK(message_of([&] { (void)(x * y); }) == "[mul] operand 'y' belongs to another graph" + here(__LINE__));
  CHECK_THAT(message_of([&] { (void)(x + Value()); }), Catch::Contains("empty Value"));
  CHECK_THAT(message_of([&] { (void)a.input("for", f32, {}); }), Catch::Contains("'for' is no name"));
  CHECK_THAT(message_of([&] { (void)a.input("x", f32, {}); }), Catch::Contains("'x' is taken"));
  CHECK_THAT(message_of([&] { (void)a.dim("N", 5, 2); }), Catch::Contains("[5, 2]"));
  CHECK_THAT(message_of([&] { (void)((x + 0.5) % hints{.tile = {0}}); }), Catch::Contains("tile"));
  a.output("y", x + 1);
  CHECK_THAT(message_of([&] { a.output("y", x); }), Catch::Contains("declared twice"));
  Graph g = a.build();
  CHECK_THAT(message_of([&] { (void)(x + 1); }), Catch::Contains("[add] the graph is built"));
  CHECK_THAT(message_of([&] { (void)x.type(); }), Catch::Contains("is built"));
  CHECK_THAT(message_of([&] { (void)GraphBuilder().build(); }), Catch::Contains("no output"));
  CHECK_THAT(message_of([&] { (void)Graph().data(); }), Catch::Contains("empty"));
}

TEST_CASE("a_cache_view_is_stale_after_the_next_write") {
  GraphBuilder b;
  auto kv = b.state("kv", kv_cache({.layers = 1, .slots = 2, .capacity = 8, .heads = 1, .head_dim = 4}));
  auto x = b.input("x", f32, {2, 4});
  auto step = b.input("step", i32, {});
  kv_write(kv, {.layer = 0, .step = step}, x, x);
  const auto k = std::get<0>(kv_read(kv, {.layer = 0}));
  kv_write(kv, {.layer = 0, .step = step}, x, x);
  CHECK_THAT(message_of([&] { (void)reshape(k, {64}); }),
             Catch::Contains("was read before a later write to $kv; read it again"));
}

TEST_CASE("tables_check_the_loop_that_indexes_them") {
  GraphBuilder b;
  auto x = b.input("x", i32, {});
  auto window = b.table("window", {0, 512, 0});
  auto y = b.loop("l", 0, 3, x, [&](Index l, Value x) { return x + window[l]; });
  CHECK(y.type().to_string() == "i32[]");
  CHECK_THAT(message_of([&] { (void)b.loop("l", 0, 4, x, [&](Index l, Value x) { return x + window[l]; }); }),
             Catch::Contains("#window has 3 entries and entry 3 is asked for"));
}

TEST_CASE("what_crosses_a_region_has_one_plain_dtype") {
  const std::string head =
      "oig 1\nweight @W.{0..2} : f32|f16[4]\nweight @q : q8_0[2, 32]\n"
      "graph (x: f32[4], q: f32[2, 32], p: bool[]) -> (y: f32[4]) {\n";
  for (const std::string body :
       {"for l in 0..2 carry x { next @W.{l} }\n return x }", "a = if p { next @q } else { next @q }\n return x }"}) {
    INFO(body);
    CHECK_THAT(message_of([&] { (void)parse_graph(head + body); }), Catch::Contains("cast"));
  }
}

TEST_CASE("types_and_names_outlive_what_is_built_after_them") {
  GraphBuilder b;
  auto x = b.input("x", f32, {2, 3});
  const auto& shape = x.shape();
  const auto& name = x.name();
  Value y = x;
  for (int i = 0; i < 1000; ++i) y = y + 1;
  CHECK(reshape(y, shape).type().to_string() == "f32[2, 3]");
  CHECK(name == "x");
}

TEST_CASE("numbers_are_checked_where_they_stand") {
  GraphBuilder b, other;
  auto x = b.input("x", i8, {2});
  const std::string message = message_of([&] { (void)(x + 300); });
  CHECK(message == "[literal] 300 does not fit i8" + here(__LINE__ - 1));
  auto table = other.table("t", {1, 2, 3});
  CHECK_THAT(message_of([&] { (void)b.loop("l", 0, 3, x, [&](Index l, Value x) { return x + cast(table[l], i8); }); }),
             Catch::Contains("[table] #t is indexed by a loop of another graph at builder_test.cpp"));
  CHECK_THAT(message_of([&] { (void)b.value(Index(1) * (std::int64_t{1} << 41)); }), Catch::Contains("beyond 2^40"));
  CHECK_THAT(message_of([&] { (void)(b.dim("N", 1, 4) * (std::int64_t{1} << 62)); }), Catch::Contains("range"));
}

TEST_CASE("an_unnamed_constant_takes_a_free_name") {
  const Graph g = graph([](GraphBuilder& b) {
    const Value one = b.constant("c1", Tensor{1.0f}), two = b.constant(Tensor{2.0f}), three = b.constant(Tensor{3.0f});
    b.output("y", one + two + three);
  });
  std::vector<std::string> names;
  for (const ConstantDecl& c : g.data().constants) names.push_back(c.name);
  CHECK(names == std::vector<std::string>{"c1", "c2", "c3"});
}

TEST_CASE("an_unnamed_constant_gives_way_to_one_of_its_name") {
  const Graph g = graph([](GraphBuilder& b) {
    const Value one = b.constant(Tensor{1.0f}), two = b.constant("c0", Tensor{2.0f}),
                three = b.constant("c2", Tensor{3.0f});
    b.output("y", one + two + three);
    CHECK_THAT(message_of([&] { (void)b.constant("c0", Tensor{4.0f}); }),
               Catch::Contains("[constant] 'c0' is declared twice"));
  });
  std::vector<std::string> names;
  for (const ConstantDecl& c : g.data().constants) names.push_back(c.name);
  CHECK(names == std::vector<std::string>{"c1", "c0", "c2"});
  CHECK(to_text(parse_graph(to_text(g))) == to_text(g));
}

TEST_CASE("a_body_that_throws_leaves_the_builder_where_it_was") {
  struct Mine {};
  GraphBuilder b;
  const Value x = b.input("x", f32, {2});
  const Value yes = b.input("yes", boolean, {});
  const auto throwing = [&](const Value& v) -> Value {
    (void)b.state("inner", tensor_state(f32, {2}));
    (void)b.dim("inner_dim", 1, 4);
    (void)(v + b.constant("inner_constant", Tensor{1.0f}));
    throw Mine();
  };
  CHECK_THROWS_AS(b.loop("l", 0, 4, x, [&](Index, Value v) { return throwing(v); }), Mine);
  CHECK_THROWS_AS(
      b.loop("l", 0, 4, x,
             [&](Index, Value v) { return b.loop("k", 0, 4, v, [&](Index, Value w) { return throwing(w); }); }),
      Mine);
  CHECK_THROWS_AS(b.cond(
                      yes, [&] { return throwing(x); }, [&] { return x; }),
                  Mine);
  CHECK_THROWS_AS(b.cond(
                      yes, [&] { return exp(x); }, [&] { return throwing(x); }),
                  Mine);
  CHECK_THROWS_AS(b.loop("l", 0, 4, x, [&](Index, Value v) { return reshape(v, {1, 2}); }), Error);
  const Value whole = b.loop("l", 0, 4, x, [&](Index, Value v) { return exp(v); });
  b.output("y", b.loop("l", 0, 2, whole, [&](Index, Value v) {
    CHECK_THROWS_AS(b.loop("k", 0, 4, v, [&](Index, Value w) { return throwing(w); }), Mine);
    return v + x;
  }));
  const Graph g = b.build();
  CHECK(g.data().nodes.size() == 4);
  CHECK(g.data().states.empty());
  CHECK(g.data().dims.empty());
  CHECK(g.data().constants.empty());
  CHECK(to_text(parse_graph(to_text(g))) == to_text(g));
}

TEST_CASE("what_was_made_in_a_body_that_threw_is_gone_with_it") {
  struct Mine {};
  GraphBuilder b;
  const Value x = b.input("x", f32, {2});
  Value kept;
  std::optional<Index> index;
  std::optional<State> state;
  std::optional<Table> table;
  CHECK_THROWS_AS(
      b.loop("l", 0, 4, x,
             [&](Index l, Value v) -> Value {
               kept = exp(v), index = l;
               state = b.state("inner", tensor_state(f32, {2})), table = b.table("t", {1.0f, 2.0f, 3.0f, 4.0f});
               throw Mine();
             }),
      Mine);
  const Value other = b.loop("l", 0, 4, x, [&](Index, Value v) { return cast(v, f16) | cast(f32); });
  const State later = b.state("later", tensor_state(i32, {3}));
  const Table entries = b.table("later", {1, 2, 3, 4});
  const std::string gone = "this was made in the body of a loop or branch that threw, and is gone with it";
  CHECK_PLACE("[silu] " + gone, (void)silu(kept));
  CHECK_PLACE("[add] " + gone, (void)(other + kept));
  CHECK_PLACE("[mean] " + gone, (void)mean(kept));
  CHECK_PLACE("[value] " + gone, (void)kept.type());
  CHECK_PLACE("[hints] " + gone, (void)(kept % hints{.name = "another"}));
  CHECK_PLACE("[eval] " + gone, (void)eval(kept));
  CHECK_PLACE("[output] " + gone, b.output("y", kept));
  CHECK_PLACE("[state_read] " + gone, (void)state_read(*state));
  CHECK_PLACE("[state] " + gone, (void)state->spec());
  CHECK_PLACE("[table] " + gone, (void)(*table)[2]);
  CHECK_PLACE("[index] " + gone, (void)entries[*index]);
  CHECK_PLACE("[add] " + gone, (void)(other + *index));
  b.output("y", b.loop("l", 0, 4, other, [&](Index l, Value v) { return v + cast(entries[l], f32); }));
  CHECK(later.spec().shape == Shape{3});
  CHECK(b.build().data().states.size() == 1);
}

TEST_CASE("a_name_is_free_once_no_value_has_it") {
  GraphBuilder b;
  const Value x = b.input("x", f32, {2});
  const Value a = exp(x) % hints{.name = "a"};
  const Value carried = b.loop("l", 0, 2, a, [](Index, Value v) { return exp(v); });
  CHECK(carried.name() == "a");
  (void)(carried % hints{.name = "b"});
  CHECK((exp(x) % hints{.name = "a"}).name() == "a.1");  // the first still has it
  (void)(a % hints{.name = "c"});
  CHECK((exp(x) % hints{.name = "a"}).name() == "a");
  CHECK((exp(x) % hints{.name = "b"}).name() == "b.1");
}
