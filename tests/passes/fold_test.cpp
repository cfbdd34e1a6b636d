// SPDX-License-Identifier: Apache-2.0
// What no input can change is computed when the graph is compiled, with the bits that a run would give.
#include "tests/passes/before_after.h"

using namespace pass_test;

namespace {

GraphPtr fold_clean(const GraphPtr& g) { return dead_nodes(fold(g)); }

void check_fold(const std::string& before, const std::string& after, const std::string& constants = "",
                const std::string& folded = "") {
  check_pass(fold_clean, graph(before, "f32[N, 4]", constants), graph(after, "f32[N, 4]", folded));
}

}  // namespace

TEST_CASE("numbers_are_computed") {
  check_fold("a = add(f32(0.1), 0.2)\nb = a * 2.0\nc = x * b\nreturn c", "c = x * 0.6000000238418579\nreturn c");
  check_fold("a = neg(f32(0.0))\nc = x * a\nreturn c", "c = x * -0.0\nreturn c");
  check_fold("a = div(f32(1.0), 0.0)\nc = x * a\nreturn c", "c = x * #a\nreturn c", "", "const #a : f32[] = {inf}\n");
  check_fold("a = add(i32(2), 3)\nb = cast(a, dtype=f32)\nc = x * b\nreturn c", "c = x * 5.0\nreturn c");
}

TEST_CASE("constants_are_computed_and_named_after_the_value") {
  const std::string k = "const #k : f32[2, 4] = {0, 1, 2, 3, 4, 5, 6, 7}\n";
  check_fold("a = slice(#k, end=1)\nw = reshape(a, shape=[4])\nc = x * w\nreturn c", "c = x * #w\nreturn c", k,
             "const #w : f32[4] = {0, 1, 2, 3}\n");
  check_fold("a = #k[1] + 1\nw = exp(a)\nu = sum(w)\nc = x * u\nd = c + #k[0]\nreturn d",
             "c = x * 4629.43310546875\nd = c + #k[0]\nreturn d", k, k);
  // What iota and fill say is shorter than what they make; what is made of them is computed.
  check_fold("a = iota(shape=[4], dtype=f32)\nc = x * a\nreturn c",
             "a = iota(shape=[4], dtype=f32)\nc = x * a\nreturn c");
  check_fold("a = iota(shape=[4], dtype=f32)\nw = a * 2.0\nc = x * w\nreturn c", "c = x * #w\nreturn c", "",
             "const #w : f32[4] = {0, 2, 4, 6}\n");
}

TEST_CASE("constants_in_a_loop_stay_by_index") {
  const std::string k = "const #k : f32[4] = {1, 2, 3, 4}\n";
  const std::string body = "for l in 0..4 carry x {\na = #k[l] * 2.0\nb = x * a\nnext b\n}\nreturn x";
  check_unchanged(fold_clean, graph(body, "f32[N, 4]", k));
  check_fold("for l in 0..4 carry x {\na = #k[2] * 2.0\nb = x * a\nnext b\n}\nreturn x",
             "for l in 0..4 carry x {\nb = x * 6.0\nnext b\n}\nreturn x", k);
}

TEST_CASE("results_beyond_64_KiB_and_refused_operands_are_left_to_the_run") {
  check_unchanged(fold_clean, graph("a = fill(shape=[16385], value=2)\nw = neg(a)\nu = slice(w, end=4)\nc = x * u\n"
                                    "return c"));
  check_fold("a = fill(shape=[16384], value=2)\nw = neg(a)\nu = slice(w, end=4)\nc = x * u\nreturn c",
             "c = x * #u\nreturn c", "", "const #u : f32[4] = {-2, -2, -2, -2}\n");
  const std::string k = "const #k : f32[2, 4] = {0, 1, 2, 3, 4, 5, 6, 7}\nconst #j : i32[1] = {2}\n";
  check_unchanged(fold_clean, graph("a = gather(#k, #j)\nc = x * a\nreturn c", "f32[N, 4]", k));
  check_unchanged(fold_clean, graph("a = fill(shape=[N, 4], value=2)\nb = neg(a)\nc = x * b\nreturn c"));
}

TEST_CASE("weights_are_never_read") { check_unchanged(fold_clean, graph("a = @b * 2.0\nc = x * a\nreturn c")); }

TEST_CASE("what_gives_its_operand_bit_for_bit_goes") {
  for (const char* same :
       {"a = x * 1.0", "a = mul(f32(1.0), x)", "a = x / 1.0", "a = x - 0.0", "a = x + -0.0",
        "a = reshape(x, shape=[N, 4])", "a = transpose(x, order=[0, 1])", "a = slice(x, axis=1, end=4)",
        "a = slice(x, end=N)", "a = cast(x, dtype=f32)", "a = broadcast(x, shape=[N, 4])", "a = concat(x)",
        "n = neg(x)\na = neg(n)", "a = select(bool(1), x, z)", "a = select(bool(0), z, x)",
        "o = fill(shape=[4], value=1)\na = x * o"}) {
    INFO(same);
    check_fold(std::string(same) + "\nc = silu(a)\nreturn c", "c = silu(x)\nreturn c");
  }
}

TEST_CASE("what_changes_a_bit_or_the_shape_stays") {
  for (const char* other : {"a = x + 0.0", "a = x - -0.0", "a = div(f32(1.0), x)", "a = sub(f32(0.0), x)", "a = r * #o",
                            "a = transpose(x, order=[1, 0])\nd = transpose(a)\ne = x + d", "n = abs(x)\na = abs(n)",
                            "a = sum(x, axes=[0], keepdims=true)", "a = cast(x, dtype=f16)"}) {
    INFO(other);
    const std::string o = "const #o : f32[4] = {1, 1, 1, 1}\n";
    const std::string body = std::string(other) + "\nreturn x";
    const Graph g = parse_graph(graph(body, "f32[N, 4]", o));
    CHECK(fold(g.shared()) == g.shared());
  }
  const Graph g = parse_graph(graph("a = i + 0\nb = a * 1\nreturn b", "i32[N]"));
  CHECK(to_text(*fold_clean(g.shared())) == text_of(graph("return i", "i32[N]")));
}

TEST_CASE("a_copy_of_a_states_view_stays_a_copy") {
  const std::string head =
      "oig 1\nstate $kv : kv_cache(f32, layers=1, slots=1, heads=1, capacity=4, head_dim=2)\n"
      "graph (k: f32[1, 2], pos: i32[1], slot: i32[1]) -> (y: f32[1, 1, 4, 2]) {\nks, vs = kv_read($kv, layer=0)\n";
  const std::string tail = "kv_write($kv, k, k, layer=0, pos=pos, slot=slot)\nreturn a\n}\n";
  check_unchanged(fold_clean, head + "a = transpose(ks, order=[0, 1, 2, 3])\n" + tail);
  check_unchanged(
      fold_clean,
      head + "b = reshape(ks, shape=[4, 2])\nc = b * 1\n" +
          "kv_write($kv, k, k, layer=0, pos=pos, slot=slot)\na = reshape(c, shape=[1, 1, 4, 2])\nreturn a\n}\n");
  check_unchanged(fold_clean, head + "for l in 0..0 carry a = ks {\nb = a * 2.0\nnext b\n}\n" + tail);
  check_unchanged(fold_clean, head + "a = if bool(1) {\nnext ks\n} else {\nb = neg(ks)\nnext b\n}\n" + tail);
  check_unchanged(
      fold_clean,
      head + "a = if bool(1) {\nc = reshape(ks, shape=[1, 1, 4, 2])\nnext c\n} else {\nb = neg(ks)\nnext b\n}\n" +
          tail);
}

TEST_CASE("a_branch_with_a_known_predicate_takes_its_place") {
  const std::string branches =
      " {\na = silu(x)\nstate_write($s, @b)\nnext a\n} else {\nb = neg(x)\nnext b\n}\nc = u + z\nreturn c";
  check_fold("u, $s = if bool(1)" + branches, "a = silu(x)\nstate_write($s, @b)\nc = a + z\nreturn c");
  check_fold("k = lt(f32(2.0), 1.0)\nu, $s = if k" + branches, "b = neg(x)\nc = b + z\nreturn c");
  check_unchanged(fold_clean, graph("u, $s = if p" + branches));
}

TEST_CASE("a_loop_without_turns_gives_its_inputs") {
  check_fold("for l in 3..3 carry a = x, b = z {\nd = matmul(a, @m)\nnext b, d\n}\nc = a - b\nreturn c",
             "c = x - z\nreturn c");
  check_unchanged(fold_clean, graph("for l in 3..4 carry a = x {\nc = silu(a)\nnext c\n}\nreturn a"));
}
