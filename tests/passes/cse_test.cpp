// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/ir.h"
#include "tests/passes/before_after.h"

using namespace pass_test;

namespace {

/// Text hides leaves: equal texts, and a second run of the pass on the very result finds nothing.
void check_kept(const std::string& body) {
  const GraphPtr once = cse(parse_graph(graph(body)).shared());
  CHECK(to_text(*once) == text_of(graph(body)));
  CHECK(cse(once) == once);
}

std::size_t leaves(const GraphData& g) {
  std::size_t count = 0;
  for (const Node& n : g.nodes) count += is_leaf(n);
  return count;
}

}  // namespace

// check_pass parses the result, whose text has a leaf for each use again; so here it is compared as text.
#define CHECK_CSE(before, after) CHECK(to_text(*cse(parse_graph(graph(before)).shared())) == text_of(graph(after)))

TEST_CASE("equal_nodes_become_one") {
  CHECK_CSE("a = matmul(x, @m)\nb = matmul(x, @m)\nc = a + b\nreturn c", "a = matmul(x, @m)\nc = a + a\nreturn c");
  CHECK_CSE("a = silu(x)\nb = neg(a)\nd = silu(x)\ne = neg(d)\nc = b + e\nreturn c",
            "a = silu(x)\nb = neg(a)\nc = b + b\nreturn c");
  CHECK_CSE("a = sum(x, axes=[0])\nb = sum(x, axes=[0], keepdims=false)\nd = a * b\nc = x + d\nreturn c",
            "a = sum(x, axes=[0])\nd = a * a\nc = x + d\nreturn c");
}

TEST_CASE("other_operands_attributes_or_hints_are_other_nodes") {
  check_kept("a = matmul(x, @m)\nb = matmul(z, @m)\nc = a + b\nreturn c");
  check_kept("a = sum(x, axes=[0])\nb = sum(x, axes=[0], keepdims=true)\nd = a * b\nc = x + d\nreturn c");
  check_kept("a = silu(x) % {fuse=false}\nb = silu(x)\nc = a + b\nreturn c");
  check_kept("a = matmul(x, @m) % {tile=[8]}\nb = matmul(x, @m)\nc = a + b\nreturn c");
  check_kept("a = x * 0.0\nb = x * -0.0\nc = a - b\nreturn c");
  check_kept("a = rms_norm(x, @b, eps=0.1)\nb = rms_norm(x, @b, eps=0.2)\nc = a - b\nreturn c");
}

TEST_CASE("operands_are_exchanged_only_where_no_bit_changes") {
  CHECK_CSE("a = x + z\nb = z + x\nc = a - b\nreturn c", "a = x + z\nc = a - a\nreturn c");
  CHECK_CSE("a = x * 2.0\nb = mul(f32(2.0), x)\nc = a - b\nreturn c", "a = x * 2.0\nc = a - a\nreturn c");
  check_kept("a = x - z\nb = z - x\nc = a / b\nreturn c");
  check_kept("a = max(x, z)\nb = max(z, x)\nc = a / b\nreturn c");  // max(0, -0) and max(-0, 0)
  const std::string integers = "a = max(i, 3)\nb = max(i32(3), i)\nc = a - b\nreturn c";
  CHECK(to_text(*cse(parse_graph(graph(integers, "i32[N]")).shared())) ==
        text_of(graph("a = max(i, 3)\nc = a - a\nreturn c", "i32[N]")));
}

TEST_CASE("what_a_region_computes_is_known_inside_but_not_behind") {
  CHECK_CSE("a = silu(x)\nfor l in 0..4 carry x {\nb = silu(z)\nd = silu(z)\ne = b + d\nnext e\n}\nc = x + a\nreturn c",
            "a = silu(x)\nfor l in 0..4 carry x {\nb = silu(z)\ne = b + b\nnext e\n}\nc = x + a\nreturn c");
  CHECK_CSE("a = silu(z)\nfor l in 0..4 carry x {\nb = silu(z)\nd = x + b\nnext d\n}\nc = x + a\nreturn c",
            "a = silu(z)\nfor l in 0..4 carry x {\nd = x + a\nnext d\n}\nc = x + a\nreturn c");
  check_kept("u = if p {\na = silu(x)\nnext a\n} else {\nb = silu(x)\nnext b\n}\nd = silu(x)\nc = u + d\nreturn c");
}

TEST_CASE("reads_of_one_version_are_equal_and_of_two_are_not") {
  CHECK_CSE("a = state_read($s)\nb = state_read($s)\nd = a + b\nc = x + d\nreturn c",
            "a = state_read($s)\nd = a + a\nc = x + d\nreturn c");
  check_kept("a = state_read($s)\nstate_write($s, @b)\nb = state_read($s)\nd = a + b\nc = x + d\nreturn c");
  check_kept("state_write($s, @b)\nstate_write($s, @b)\nreturn x");
  check_kept(
      "a = state_read($s)\nfor l in 0..4 carry x, $s {\nb = state_read($s)\nd = a + b\nstate_write($s, d)\n"
      "e = x + d\nnext e\n}\nreturn x");
}

TEST_CASE("leaves_become_one_for_each_region_that_names_them") {
  const GraphPtr g = parse_graph(graph("a = matmul(x, @m)\nb = matmul(a, @m)\nd = b * 2.0\ne = d * 2.0\n"
                                       "for l in 0..4 carry e {\nf = matmul(e, @W.{l})\nh1 = matmul(f, @W.{l})\n"
                                       "h2 = matmul(h1, @m)\nnext h2\n}\nreturn e"))
                         .shared();
  CHECK(leaves(*g) == 7);
  const GraphPtr merged = cse(g);
  CHECK(leaves(*merged) == 3);
  CHECK(to_text(*merged) == to_text(*g));
}
