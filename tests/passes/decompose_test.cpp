// SPDX-License-Identifier: Apache-2.0
// Operators become others with the same bits; names, hints and lines go along.
#include <random>

#include "tests/passes/before_after.h"

using namespace pass_test;

namespace {

Tensor random_tensor(Extents shape, unsigned seed) {
  std::mt19937 random(seed);
  Tensor t(f32, std::move(shape));
  for (float& v : t.mutable_data<float>()) v = static_cast<float>(static_cast<int>(random() % 2001) - 1000) * 1e-3f;
  return t;
}

/// x · w + b with K large enough that the order of a sum shows.
Graph linear_graph(DType x_dtype, DType b_dtype) {
  return openinfer::graph([&](GraphBuilder& b) {
    auto x = b.input("x", f32, {b.dim("N", 1, 8), 100});
    auto w = b.constant("w", random_tensor({100, 7}, 1));
    auto bias = b.constant("bias", random_tensor({7}, 2));
    b.output("y", linear(cast(x, x_dtype), cast(w, x_dtype), cast(bias, b_dtype)) | cast(f32));
  });
}

Tensor run(const Graph& g) {
  SimSession sim(g, {.threads = 1});
  return sim.run_step({{"x", random_tensor({5, 100}, 3)}})["y"];
}

std::vector<Value> into_itself(const std::vector<OptionalIn>& operands, const Attributes&);
std::vector<Value> into_f16(const std::vector<OptionalIn>& operands, const Attributes&) {
  return {cast(*operands[0], f16)};
}
std::vector<Value> into_two(const std::vector<OptionalIn>& operands, const Attributes&) {
  const Value half = silu(*operands[0]) * 0.5;
  return {half + half};
}
std::vector<Value> into_operand(const std::vector<OptionalIn>& operands, const Attributes&) {
  return {std::get<Value>(operands[0]->operand())};
}

OpDef op(std::string_view name, DecomposeFn decompose) {
  return {.name = name,
          .operands = {{.name = "x"}},
          .infer = [](const InferContext& c) { return std::vector{c.type(0)}; },
          .decompose = decompose,
          .variants = {"wide"}};
}
const OpSet& ops() {
  static const OpDef own[] = {op("again", into_itself), op("narrow", into_f16), op("twice", into_two),
                              op("same", into_operand)};
  static const OpSet set = [] {
    OpSet all(OpSet::builtin().all());
    for (const OpDef& o : own) all.add(o);
    return all;
  }();
  return set;
}
std::vector<Value> into_itself(const std::vector<OptionalIn>& operands, const Attributes&) {
  return apply(*ops().find("again"), operands);
}

std::string decomposed(const std::string& body) {
  const Graph g = parse_graph(graph(body), "test.oig", ops());
  return to_text(*decompose(g.shared()));
}

}  // namespace

TEST_CASE("linear_becomes_a_product_and_a_sum") {
  check_pass(decompose, graph("q = linear(x, @m, @b) at model.cpp:9\nreturn q"),
             graph("q_matmul = matmul(x, @m) at model.cpp:9\nq_cast = cast(@b, dtype=f32) at model.cpp:9\n"
                   "q = q_matmul + q_cast at model.cpp:9\nreturn q"));
  const PassResult whole = run_passes(parse_graph(graph("q = linear(x, @m, @b)\nreturn q")), compilation_passes());
  CHECK(to_text(whole.graph) ==
        text_of(graph("q_matmul = matmul(x, @m) % {group=0}\nq = q_matmul + @b % {group=0}\nreturn q")));
}

TEST_CASE("linear_has_the_same_bits_decomposed") {
  for (DType x : {f32, f64})
    for (DType b : {f16, bf16, f32, f64}) {
      INFO(name(x) << " " << name(b));
      const Graph g = linear_graph(x, b);
      const Graph changed(decompose(g.shared()));
      CHECK(changed.shared() != g.shared());
      CHECK(run(changed) == run(g));
    }
}

TEST_CASE("reductions_and_norms_have_the_same_bits_decomposed") {
  struct Composed {
    const char* name;
    Value (*make)(GraphBuilder&, const Value&);
  };
  const Composed makes[] = {
      {"any", [](GraphBuilder&, const Value& x) { return cast(any(gt(x, 0.98), {.axes = {1}}), f32); }},
      {"all",
       [](GraphBuilder&, const Value& x) { return cast(all(lt(x, 0.98), {.axes = {0}, .keepdims = true}), f32); }},
      {"logsumexp", [](GraphBuilder&, const Value& x) { return logsumexp(x); }},
      {"logsumexp of rows",
       [](GraphBuilder&, const Value& x) { return logsumexp(x * 40, {.axes = {1}, .keepdims = true}); }},
      {"log_softmax", [](GraphBuilder&, const Value& x) { return log_softmax(x * 40); }},
      {"l2_norm", [](GraphBuilder&, const Value& x) { return l2_norm(x, 0, 0.5); }},
      {"group_norm",
       [](GraphBuilder& b, const Value& x) {
         const Value w = b.constant("w", random_tensor({100}, 1)), c = b.constant("c", random_tensor({100}, 2));
         return group_norm(x, 4, cast(w, f16), c);
       }},
      {"cast", [](GraphBuilder&, const Value& x) { return cast(cast(x * 300, i8, {.rounding = "away"}), f32); }}};
  for (const Composed& c : makes)
    for (const DType dtype : {f32, f16, bf16, f64}) {
      CAPTURE(c.name, openinfer::name(dtype));
      const Graph g = openinfer::graph([&](GraphBuilder& b) {
        const Value x = b.input("x", f32, {b.dim("N", 1, 8), 100});
        b.output("y", cast(c.make(b, cast(x, dtype)), f32));
      });
      const Graph changed(decompose(g.shared()));
      CHECK((changed.shared() == g.shared()) == (std::string_view(c.name) == "cast"));
      CHECK(run(changed) == run(g));
    }
}

TEST_CASE("linear_stays_where_a_rounding_would_be_added") {
  for (DType x : {f16, bf16}) {
    const Graph g = linear_graph(x, x);
    CHECK(decompose(g.shared()) == g.shared());
  }
}

TEST_CASE("hints_go_to_the_nodes_that_they_concern") {
  CHECK(decomposed("q = twice(x) % {fuse=false, variant=\"wide\", tile=[4]}\nreturn q") ==
        text_of(graph("q_silu = silu(x) % {fuse=false}\nq_mul = q_silu * 0.5 % {fuse=false}\n"
                      "q = q_mul + q_mul % {fuse=false}\nreturn q")));
  CHECK(decomposed("q = linear(x, @m, @b) % {tile=[4]}\nreturn q") ==
        text_of(graph(
            "q_matmul = matmul(x, @m) % {tile=[4]}\nq_cast = cast(@b, dtype=f32)\nq = q_matmul + q_cast\nreturn q")));
}

TEST_CASE("an_operator_may_become_its_operand") {
  CHECK(decomposed("a = silu(x)\nq = same(a)\nreturn q") == text_of(graph("a = silu(x)\nreturn a")));
}

TEST_CASE("decompositions_that_are_none_are_refused") {
  CHECK_THROWS_WITH(decomposed("q = again(x)\nreturn q"), Catch::Contains("[decompose]") && Catch::Contains("rounds"));
  CHECK_THROWS_WITH(decomposed("q = narrow(x)\nreturn q"),
                    Catch::Contains("narrow gives f32[N, 4] and becomes something that gives f16[N, 4]"));
}
