// SPDX-License-Identifier: Apache-2.0
// Passes as text before and after, over the library's own operators.
#pragma once

#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <string>

#include "lib/graph/print.h"
#include "lib/passes/pipeline.h"

namespace pass_test {

using namespace openinfer;

/// x, z f32[N, 4], r f32[N, 1], p bool[], h f16[N, 4], i i32[N] -> y f32[N, 4]; weights, a table and states to use.
inline std::string graph(const std::string& body, const std::string& result = "f32[N, 4]",
                         const std::string& constants = "") {
  return "oig 1\ndim 1 <= N <= 8\nweight @W.{0..4} : f32[4, 4]\nweight @w0 : f32[4, 4]\nweight @w1 : f32[4, 4]\nweight "
         "@q : q8_0[4, 32]\nweight @m : f32[4, 4]\n"
         "weight @n : f32[4, 8]\nweight @b : f32[4]\nweight @c : f16[4]\n" +
         constants +
         "state $s : tensor(f32, shape=[4])\n"
         "graph (x: f32[N, 4], z: f32[N, 4], r: f32[N, 1], p: bool[], h: f16[N, 4], i: i32[N]) -> (y: " +
         result + ") {\n" + body + "\n}\n";
}

inline std::string text_of(const std::string& source) { return to_text(parse_graph(source)); }

using Pass = GraphPtr (*)(const GraphPtr&);

/// The pass makes `after` of `before`, what it makes verifies, and it finds nothing more to do there.
inline void check_pass(Pass pass, const std::string& before, const std::string& after) {
  const Graph g = parse_graph(before);
  const GraphPtr changed = pass(g.shared());
  CHECK(to_text(*changed) == text_of(after));
  verify_pass(changed);
  const Graph again = parse_graph(to_text(*changed));
  CHECK(pass(again.shared()) == again.shared());
}

/// The pass leaves that graph alone: not even a copy is made.
inline void check_unchanged(Pass pass, const std::string& source) {
  const Graph g = parse_graph(source);
  CHECK(to_text(*pass(g.shared())) == to_text(g));
  CHECK(pass(g.shared()) == g.shared());
}

}  // namespace pass_test
