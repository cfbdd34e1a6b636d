// SPDX-License-Identifier: Apache-2.0
// The text form: what is printed parses and prints as the same text; what is wrong is refused with its line.
#include <openinfer/openinfer.h>

#include <random>

#include "lib/graph/ir.h"
#include "tests/graph/text.h"

using Catch::Contains;
using namespace openinfer;

namespace {

/// A graph around one or more lines.
std::string around(const std::string& lines, const std::string& declarations = "") {
  return "oig 1\ndim 1 <= N <= 8\n" + declarations + "graph (x: f32[N, 4], p: bool[]) -> (y: f32[N, 4]) {\n" + lines +
         "\n  return x\n}\n";
}
std::string error_around(const std::string& lines, const std::string& declarations = "") {
  return parse_error(around(lines, declarations));
}
std::string repeat(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

const std::string kState = "state $s : tensor(f32, shape=[N, 4])\n";
const std::string kWeight = "weight @w.{0..2} : f32[4, 4]\n";

}  // namespace

TEST_CASE("golden_texts_print_as_they_are") {
  for (const auto& path : golden_texts()) {
    INFO(path.filename().string());
    const std::string text = read_text(path);
    CHECK(printed(text) == text);
  }
}

TEST_CASE("layout_and_comments_do_not_matter") {
  const std::string text = printed(around("  z = x + x"));
  CHECK(printed("oig 1 dim 1<=N<=8 graph(x:f32[N,4],p:bool[])->(y:f32[N,4]){z=x+x return x}") == text);
  CHECK(printed(around("// a comment } {\n  z // = 3\n = x\n + x // the end")) == text);
  CHECK(printed(repeat(" ", 1) + text) == text);
}

TEST_CASE("literals_take_the_dtype_beside_them_or_name_their_own") {
  const std::string text =
      printed(around("a = x * 2\nb = x * 2.0\nc = x * 1e-40\nd = silu(f16(2))\ne = x * f32(2)\nf = x - -1"));
  CHECK(text.find("a = x * 2 ") != text.npos);
  CHECK(text.find("b = x * 2.0 ") != text.npos);
  CHECK(text.find("c = x * 1e-40 ") != text.npos);
  CHECK(text.find("d = silu(f16(2)) : f16[]") != text.npos);
  CHECK(text.find("e = x * 2 ") != text.npos);  // f32 is what it takes by itself
  CHECK(text.find("f = x - -1 ") != text.npos);
}

TEST_CASE("numbers_beyond_i64_are_u64") {
  const std::string text = printed(
      "oig 1\ngraph (x: u64[2]) -> (y: u64[2]) {\n  a = x + 18446744073709551615\n  b = a + 9223372036854775807\n"
      "  y = b - u64(9223372036854775808)\n  return y\n}\n");
  CHECK(text.find("a = x + 18446744073709551615 ") != text.npos);
  CHECK(text.find("y = b - 9223372036854775808 ") != text.npos);
  CHECK(error_around("a = x + 18446744073709551615") == "");  // x is f32
  CHECK(error_around("a = x + 18446744073709551616") == "[oig] 18446744073709551616 does not fit u64 at test.oig:4");
  CHECK(error_around("a = x + -9223372036854775809") == "[oig] -9223372036854775809 does not fit i64 at test.oig:4");
  CHECK(error_around("a = silu(i64(9223372036854775808))")
            .starts_with("[literal] 9223372036854775808 does not fit i64 at test.oig"));
}

TEST_CASE("an_operand_that_is_an_expression_is_told_to_take_a_line") {
  CHECK(error_around("a = silu(silu(x))") ==
        "[oig] 'silu(…)' stands where an operand is wanted; write one operator a line: silu.1 = silu(…), and silu.1 "
        "here at test.oig:4");
  CHECK(error_around("a = x + silu(x)").find("'silu(…)' stands where an operand is wanted") != std::string::npos);
  CHECK(error_around("a = rope(x, pos=silu(x), head_dim=4)").find("'silu(…)' stands where") != std::string::npos);
  CHECK(error_around("a = (x + x) * x").find("an operand has no parentheses; write one operator a line") !=
        std::string::npos);
  CHECK(error_around("a = silu((x))").find("an operand has no parentheses") != std::string::npos);
  CHECK(error_around("a = x + x * x") ==
        "[oig] a second operator '*' in one line; write one operator a line: give what stands before it a name at "
        "test.oig:4");
  CHECK(error_around("a = silu(x) + x").find("a second operator '+' in one line") != std::string::npos);
  CHECK(error_around("a = rope(x + 1, pos=x, head_dim=4)") ==
        "[oig] '+' behind an argument: operands are names or numbers; write one operator a line: give what '+' makes a "
        "line and a name of its own at test.oig:4");
  for (const char* line : {"a = silu(x * x)", "a = rope(x, pos=x / 2, head_dim=4)", "a = silu(2 - x)"})
    CHECK(error_around(line).find("operands are names or numbers") != std::string::npos);
  CHECK(error_around("a = rope(x pos=x, head_dim=4)").find("expected ',' but found 'pos'") != std::string::npos);
}

TEST_CASE("optional_operands_and_attributes_print_only_where_they_say_something") {
  const std::string text =
      printed(around("a = sdpa(x, x, x, pos=x, causal=true)\nb = sdpa(x, x, x, x, causal=false, window=0)\n"
                     "c = sdpa(slot=x, v=x, k=x, q=x)\nd = rope(x, pos=x, head_dim=4, scaling=\"a \\\"b\\\"\")"));
  CHECK(text.find("a = sdpa(x, x, x, pos=x, causal=true) ") != text.npos);
  CHECK(text.find("b = sdpa(x, x, x, x) ") != text.npos);
  CHECK(text.find("c = sdpa(x, x, x, slot=x) ") != text.npos);
  CHECK(text.find("scaling=\"a \\\"b\\\"\")") != text.npos);
}

TEST_CASE("locations_and_hints_survive_and_the_text_s_own_lines_are_implied") {
  const Graph g = parse(around("  a = silu(x) at model.cpp:12\n  b = silu(a) % {fuse=false, tile=[1, 2]}"));
  const Node* first = nullptr;
  for (const Node& n : g.data().nodes)
    if (!first) first = &n;
  REQUIRE(first);
  CHECK(first->at.to_string() == "model.cpp:12");
  CHECK(g.data().nodes[1].at.to_string() == "test.oig:5");
  CHECK(g.data().nodes[1].hint == hints{.fuse = false, .tile = {1, 2}});
  const std::string text = to_text(g);
  CHECK(text.find("at model.cpp:12") != text.npos);
  CHECK(text.find("test.oig") == text.npos);
}

TEST_CASE("a_loop_shares_the_name_of_what_it_carries_unless_that_misleads") {
  const auto loop = [](const char* carry, const char* body, const char* behind) {
    return around(std::string("a = silu(x)\nfor l in 0..2 carry ") + carry + " {\n" + body + "\n}\n" + behind);
  };
  CHECK(printed(loop("a", "b = a + x\nnext b", "c = silu(a)")).find("carry a {") != std::string::npos);
  CHECK(printed(loop("q = a", "b = q + a\nnext b", "")).find("carry q = a {") != std::string::npos);
  CHECK(error_around("for l in 0..2 carry x, x {\n next x, x }") ==
        "[oig] 'x' stands here twice; write x.1 = x at test.oig:4");
  // Both directions through the builder: it shares the name first and gives it up where the value is used again.
  const auto built = [](bool used_inside, bool used_behind) {
    GraphBuilder b;
    const auto op = [](const char* name, const In& u, const In& v) {
      return apply(*test_ops::all().find(name), {u, v})[0];
    };
    auto x = b.input("x", f32, {2});
    auto y = b.loop("l", 0, 3, x, [&](Index, Value v) { return op("add", v, used_inside ? x : v); });
    b.output("y", op("mul", y, used_behind ? x : y));
    return to_text(b.build());
  };
  CHECK(built(false, false).find("carry x at") != std::string::npos);
  CHECK(built(true, false).find("carry x.1 = x at") != std::string::npos);
  CHECK(built(false, true).find("carry x.1 = x at") != std::string::npos);
}

TEST_CASE("a_carried_index_hides_no_index_of_a_table_or_a_weight") {
  GraphBuilder b;
  const auto rate = b.table("rate", {0.5f, 1.0f, 2.0f});
  b.output("y", b.loop("l", 0, 3, b.input("x", f32, {}), [&](Index l, Value v) {
    (void)b.loop("k", 0, 2, b.value(l), [](Index, Value n) { return n; });
    return apply(*test_ops::all().find("add"), {v, rate[l]})[0];
  }));
  const std::string text = to_text(b.build());
  CHECK(text.find("carry l.1 = l at") != std::string::npos);
  CHECK(printed(text) == text);
}

TEST_CASE("a_version_of_a_state_follows_from_the_order_of_lines") {
  CHECK(parse_error(around("a = state_read($s)\nfor l in 0..2 carry $s {\nstate_write($s, a)\n}\nb = state_read($s)",
                           kState)) == "");
  CHECK(error_around("for l in 0..2 {\nstate_write($s, x)\n}", kState) ==
        "[loop] the body uses $s, which is not listed at test.oig:5");
  CHECK(error_around("for l in 0..2 carry $s {\n}", kState) ==
        "[loop] lists $s, which its body does not use, or lists it twice at test.oig:5");
  CHECK(error_around("if p {\nstate_write($s, x)\n} else {\n}", kState) ==
        "[cond] the body uses $s, which is not listed at test.oig:5");
  CHECK(error_around("a = x + $s", kState) ==
        "[oig] $s is a state; only state operators, carry and if take one at test.oig:5");
  CHECK(error_around("a = silu($s)", kState) == "[silu] takes no state at test.oig:5");
  CHECK(error_around("a = state_read($t)", kState) == "[oig] no state is declared as $t at test.oig:5");
}

TEST_CASE("errors_name_the_line_and_the_remedy") {
  CHECK(parse_error("") == "[oig] a graph text starts with 'oig 1' but the text ends at test.oig:1");
  CHECK(parse_error("oig 2\n") == "[oig] the text has version 2; this library reads version 1 at test.oig:2");
  CHECK(parse_error("GGUF") == "[oig] a graph text starts with 'oig 1' but found 'GGUF' at test.oig:1");
  CHECK(error_around("a = matmull(x, x)") ==
        "[oig] no operator is called 'matmull'; did you mean 'matmul'? at test.oig:4");
  CHECK(error_around("a = silu(y)") == "[oig] 'y' is not defined at test.oig:4");  // nothing is like it
  CHECK(error_around("a = silu(xx)") == "[oig] 'xx' is not defined; did you mean 'x'? at test.oig:4");
  CHECK(error_around("a = silu(x) : f16[N, 4]") ==
        "[silu] the text says f16[N, 4] and inference gives f32[N, 4] at test.oig:4");
  CHECK(error_around("a, b = silu(x)") == "[silu] gives 1 results and the text names 2 at test.oig:4");
  CHECK(error_around("a = rope(x, pos=x)") == "[rope] needs the attribute 'head_dim' at test.oig:4");
  CHECK(error_around("a = rope(x, pos=x, head_dim=4, thta=1)") ==
        "[oig] rope has no operand or attribute 'thta'; did you mean 'theta'? at test.oig:4");
  CHECK(error_around("a = silu(x, start=1)") ==
        "[oig] silu has no operand or attribute 'start'; there is 'x' at test.oig:4");
  CHECK(error_around("a = silu(x)\na = silu(x)") ==
        "[oig] 'a' is defined twice; a name stands for one value at test.oig:5");
  CHECK(error_around("for l in 0..2 {\na = silu(x)\n}\nb = silu(a)") ==
        "[oig] 'a' lives inside a loop that has ended; return it from the body to carry it out at test.oig:7");
  CHECK(error_around("a = matmul(x, @v)", kWeight) == "[oig] no weight is declared as @v at test.oig:5");
  for (const char* one : {"w.7", "w", "w.{1}"})  // of the family, and without its loop
    CHECK_THAT(
        error_around(std::string("a = matmul(x, @") + one + ")", kWeight),
        Contains("no weight is declared as @w") &&
            Contains("; of the family @w.{} a loop over l takes @w.{l}, and a single one is declared by itself"));
  CHECK(error_around("a = matmul(x, @wq.7)", kWeight) == "[oig] no weight is declared as @wq.7 at test.oig:5");
  CHECK(error_around("for l in 0..3 {\na = matmul(x, @w.{l})\n}", kWeight) ==
        "[verify] @w.{} is declared for 0..2 and the loop asks for 0..3 at test.oig:6");
  CHECK(error_around("a = matmul(x, @w.{x})", kWeight) == "[oig] 'x' is no loop's index at test.oig:5");
  CHECK(error_around("a = silu(x) % {color=3}") ==
        "[oig] no hint is called 'color'; there are fuse, variant, tile and group at test.oig:4");
  CHECK(error_around("a = silu(x) % {variant=\"mma\"}") ==
        "[silu] has no kernel variants; the hint asks for 'mma' at test.oig:4");
  CHECK(error_around("for l in 0..2 carry x {\nnext 1.5\n}") ==
        "[loop] carried 'x' enters as f32[N, 4] and leaves the body as f32[] at test.oig:4");
  CHECK(error_around("a = x + true") != "");
  CHECK(error_around("a = \"x") == "[oig] a quoted string ends on its own line at test.oig:4");
  CHECK(error_around("a = x ? x") == "[oig] '?' means nothing here at test.oig:4");
  CHECK(error_around("a = silu(x) at nowhere") == "[oig] a location reads FILE:LINE at test.oig:4");
  CHECK(parse_error("oig 1\ndim 1 <= N <= 2\ndim 1 <= N <= 2\n") == "[dim] 'N' is declared twice at test.oig:3");
  CHECK(parse_error("oig 1\ngraph (x: f32[M]) -> (y: f32[M]) { return x }") ==
        "[verify] input 'x' names the dimension 'M', which is not declared at test.oig:2");
  CHECK(parse_error("oig 1\ngraph (x: f32[2]) -> (y: f32[3]) { return x }") ==
        "[output] 'y' is declared as f32[3] and returned as f32[2] at test.oig:2");
}

TEST_CASE("hostile_texts_are_refused_quickly") {
  CHECK(parse_error(around(repeat("for l in 0..1 {\n", 100000))).find("'l' is defined twice") != std::string::npos);
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += fmt::format("for l{} in 0..1 {{\n", i);
  CHECK(error_around(deep) == "[oig] loops and branches are nested more than 64 deep at test.oig:69");
  CHECK(parse_error("oig 1\nconst #a : f32[1099511627776] = {1}").find("more than the text has room for") !=
        std::string::npos);
  CHECK(parse_error("oig 1\nconst #a : f32[4611686018427387903, 4611686018427387903] = {}") ==
        "4611686018427387903 · 4611686018427387903 leaves the range of sizes at test.oig:2");
  CHECK(error_around("for l in 0..2147483648 {\na = matmul(x, @w.{4611686018427387903*l})\n}", kWeight) ==
        "2147483647 · 4611686018427387903 leaves the range of sizes at test.oig:6");
  CHECK(error_around("for l in 0..9223372036854775807 {\n}") ==
        "[loop] 'l' runs over 0..9223372036854775807; from <= to within 32 bits is needed at test.oig:4");
  CHECK(error_around("for l in 0..9223372036854775808 {\n}") ==
        "[oig] 9223372036854775808 does not fit 64 bits at test.oig:4");
  CHECK(parse_error("oig 1\nweight @w.{0..1000000000000} : f32[1]\ngraph () -> () { return }") ==
        "[verify] weight @w.{} runs over 0..1000000000000; 1048576 members are possible at test.oig:2");
  CHECK(parse_error("oig 1\nweight @w.{5..2} : f32[1]\ngraph () -> () { return }") ==
        "[verify] weight @w.{} runs over 5..2, which has no member; 0 <= from < to is needed at test.oig:2");
  CHECK(parse_error(around("a = concat(" + repeat("1, ", 300000) + "1)")).find("is given more than 4096 operands") !=
        std::string::npos);
  CHECK(parse_error("oig 1\ngraph (x: f32[" + repeat("1 + ", 100) + "1]) -> () { return }") ==
        "[oig] an expression has at most 64 terms at test.oig:2");
  CHECK(parse_error("oig 1\ngraph (x: f32[" + repeat("1, ", 100) + "1]) -> () { return }") ==
        "[oig] a list has at most 64 entries at test.oig:2");
  CHECK(parse_error(std::string("oig 1\n\0", 7)) == "[oig] a byte 0x00 means nothing here at test.oig:2");
  CHECK(parse_error(std::string(std::size_t{65} << 20, ' ')).find("a graph has at most") != std::string::npos);
}

TEST_CASE("cut_and_damaged_texts_give_errors_and_nothing_else") {
  // What a fuzzer does, small and repeatable: cut, drop, double and swap pieces of the golden texts.
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % std::max<std::size_t>(n, 1)); };
  const std::string letters = " \n{}[]()@#$%:=,.*+-/\"019aexNl";
  for (const auto& path : golden_texts()) {
    const std::string whole = read_text(path);
    for (int round = 0; round < 400; ++round) {
      std::string text = whole;
      for (std::size_t edits = 1 + below(3); edits > 0; --edits) {
        const std::size_t from = below(text.size()), count = below(round % 2 ? 4 : 40);
        const std::string piece = text.substr(from, count);
        const std::size_t kind = below(4);
        if (kind == 0) text.erase(from, count);
        if (kind == 1) text.insert(below(text.size()), piece);
        if (kind == 2) text[from] = letters[below(letters.size())];
        if (kind == 3 && round % 8 == 0) text.resize(from);
        if (text.empty()) text = " ";
      }
      INFO(text);
      std::string once;
      const std::string error = error_of([&] { once = to_text(parse(text)); });
      if (error.empty()) CHECK(to_text(parse(once)) == once);
    }
  }
}
