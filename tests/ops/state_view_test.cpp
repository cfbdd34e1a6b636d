// SPDX-License-Identifier: Apache-2.0
// What shows a cache's memory is looked at before the next write, whatever its shape is.
#include <catch2/catch.hpp>
#include <string>

#include "lib/graph/parser.h"
#include "openinfer/error.h"

namespace openinfer {
namespace {

/// What is wrong with these lines behind `a, b = kv_read(…)`, which is line 4; "" if nothing is.
std::string refusal(const std::string& lines) try {
  parse_graph(
      "oig 1\nstate $kv : kv_cache(f32, layers=2, slots=1, heads=1, capacity=8, head_dim=4)\n"
      "graph (x: f32[1, 4], pos: i32[1], p: bool[]) -> (x: f32[1, 4]) {\na, b = kv_read($kv, layer=0)\n" +
          lines + "\nreturn x\n}",
      "v.oig");
  return "";
} catch (const Error& error) {
  return error.what();
}

}  // namespace

TEST_CASE("a reshape of a view of a cache is that view") {
  const std::string shape = " = reshape(a, shape=[8, 4])\n", write = "kv_write($kv, x, x, layer=0, pos=pos)\n",
                    later = "was read before a later write to $kv; read it again at v.oig:";
  CHECK(refusal("c" + shape + "d = c + 1\n" + write) == "");
  CHECK(refusal("c" + shape + write + "d = c + 1") == "[add] 'c' " + later + "7");
  CHECK(refusal("c" + shape + "d = reshape(c, shape=[32])\n" + write + "e = d + 1") == "[add] 'd' " + later + "8");
  CHECK(refusal(write + "c" + shape) == "[reshape] 'a' " + later + "6");
  CHECK(refusal("c = transpose(a, order=[0, 1, 2, 3])\n" + write + "d = c + 1") == "");
}

TEST_CASE("a reshape of a view of a cache is that view in loops and branches") {
  const std::string shape = " = reshape(a, shape=[1, 1, 8, 4])\n", write = "kv_write($kv, x, x, layer=0, pos=pos)\n",
                    later = "was read before a later write to $kv; read it again at v.oig:";
  CHECK(refusal("for l in 0..2 {\nd" + shape + "c = silu(d)\n}\n" + write) == "");
  CHECK(refusal("d" + shape + "for l in 0..2 carry $kv {\nc = silu(d)\n" + write + "}") ==
        "[verify] 'd' " + later + "7");
  CHECK(refusal("z = a * 0\nfor l in 0..2 carry z, $kv {\nk, v = kv_read($kv, layer=0)\n"
                "r = reshape(k, shape=[1, 1, 8, 4])\n" +
                write + "next r\n}") == "[verify] 'r' " + later + "6");
  CHECK(refusal("z = a * 0\nc, $kv = if p {\nd" + shape + write + "next d\n} else {\nnext z\n}") ==
        "[verify] 'd' " + later + "6");
}

}  // namespace openinfer
