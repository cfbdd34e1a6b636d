// SPDX-License-Identifier: Apache-2.0
// Attention that leaves its result in 8-bit blocks: those that a kernel of their own makes of its floats.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "attention_problem.h"
#include "codegen/kernels/int8_rows.h"
#include "int8_blocks.h"

namespace openinfer::kernels {
namespace {

using Problem = AttentionProblem;

using Run = Data(const kir::Target&, const Problem&, const AttentionOperands&);
void check_blocks(Run* run_it, Problem p, const AttentionOperands& o, const kir::Target& target) {
  INFO("lanes " << target.lanes << (target.bf16_dot ? ", pairs" : "") << ", rows " << p.N << ", head_dim "
                << p.what.head_dim);
  p.what.rows = {p.N}, p.what.keys = {p.C}, p.what.bf16 = target.bf16_dot;
  REQUIRE(stores_int8_attention(target, p.what));
  const std::int64_t width = p.what.heads * p.what.head_dim;
  Buffers floats = {{"x", run_it(target, p, o)}, {"y", int8_room(p.N * width / 32)}};
  run(to_int8({.lanes = 1}, {.name = "to_int8", .of = "x", .to = "y", .rows = {p.N}, .width = {width}}), floats);
  p.what.int8 = true;
  Data blocks = run_it(target, p, o);
  const auto got = blocks.bytes(), want = floats["y"].bytes();
  CHECK((got.size() == want.size() && std::equal(got.begin(), got.end(), want.begin())));
}

std::vector<kir::Target> targets_of_tiles() { return {with_lanes(4), with_lanes(8), with_lanes(16), with_pairs()}; }

}  // namespace

TEST_CASE("prompts: a block's bytes are those of its floats, whole tiles and parts of one, slots side by side") {
  if (on_a_device()) return;
  for (const kir::Target& target : targets_of_tiles())
    for (const auto& [rows, head_dim] : {std::pair{9, 32}, {33, 64}, {70, 96}}) {
      const Problem p = prompt(rows, head_dim, rows == 33 ? 20 : 1000);
      AttentionOperands o = operands_of(p);
      check_blocks(run_kernel, p, o, target);
      o.q.set(2 * p.what.heads * head_dim + 5, NAN);  // a head of a row that is no number
      check_blocks(run_kernel, p, o, target);
    }
}

TEST_CASE("few rows in parts: the same") {
  if (on_a_device()) return;
  for (const int lanes : {4, 8, 16})
    for (const auto& [rows, head_dim] : {std::pair{1, 64}, {2, 32}, {1, 96}, {3, 128}}) {
      Problem p = prompt(rows, head_dim);
      p.C += 300;  // enough for parts
      AttentionOperands o = operands_of(p);
      check_blocks(run_in_parts, p, o, with_lanes(lanes));
      for (std::int64_t i = 0; i < o.v.count(); ++i) o.v.set(i, 0);  // blocks of zeros
      check_blocks(run_in_parts, p, o, with_lanes(lanes));
    }
}

TEST_CASE("attention leaves floats where heads have no whole blocks, queries are halves or lanes no vectors") {
  Attention what = prompt(64, 64).what;
  what.rows = {64}, what.keys = {73};
  CHECK(stores_int8_attention(with_lanes(16), what));
  CHECK(!stores_int8_attention({.lanes = 32, .subgroups = 4}, what));
  CHECK(!stores_int8_attention(with_lanes(32), what));
  what.head_dim = 80;
  CHECK(!stores_int8_attention(with_lanes(16), what));
  what.head_dim = 64, what.q = DType::f16;
  CHECK(!stores_int8_attention(with_lanes(16), what));
  what.q = DType::f32, what.mask = Attention::Mask{.dtype = DType::boolean, .moves = {}};
  CHECK(!stores_int8_attention(with_lanes(16), what));
}

}  // namespace openinfer::kernels
