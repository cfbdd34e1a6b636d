// SPDX-License-Identifier: Apache-2.0
// Attention of few rows in parts of their keys.
#include <catch2/catch.hpp>
#include <cmath>

#include "attention_problem.h"

namespace openinfer::kernels {
namespace {

using Problem = AttentionProblem;

/// A key in a cache of that many, seen by a row of `heads` query heads.
Problem deep(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim, std::int64_t capacity,
             const std::vector<double>& pos) {
  Problem p = {.what = rows_form(heads, kv_heads, head_dim), .N = static_cast<std::int64_t>(pos.size()), .C = capacity};
  p.S = p.N, p.pos = pos;
  p.what.has_pos = p.what.has_slot = true;
  for (std::int64_t n = 0; n < p.N; ++n) p.slot.push_back(static_cast<double>((n + 1) % p.N));
  return p;
}

void check_parts(const Problem& p, const std::vector<int>& lanes = {16, 8, 4}) {
  const AttentionOperands o = operands_of(p);
  const AttentionResult wanted = expected(p, o);
  for (const int n : lanes) {
    INFO(n << " lanes");
    check_result(run_in_parts(with_lanes(n), p, o), wanted);
  }
}

}  // namespace

TEST_CASE("parts: nothing but the first key, parts without one, several tiles, the last key of the cache") {
  if (on_a_device()) return;
  check_parts(deep(6, 2, 16, 1100, {0, 62, 63, 64, 65, 127, 128, 1099}));
  Problem p = deep(3, 1, 16, 700, {690, 1, 333});
  p.known = false;
  check_parts(p);
  p = deep(2, 2, 32, 300, {299});  // in blocks of 16 lanes two vectors of a value
  p.what.has_slot = false;
  check_parts(p);
}

TEST_CASE("parts of every number of heads to a key, and heads of any width") {
  if (on_a_device()) return;
  for (const std::int64_t heads : {1, 2, 3, 4, 5, 7, 8, 9, 16, 25}) check_parts(deep(heads, 1, 16, 270, {150}));
  for (const std::int64_t head_dim : {64, 96, 128, 80}) check_parts(deep(3, 1, head_dim, 270, {200}));
}

TEST_CASE("parts of every dtype") {
  if (on_a_device()) return;
  for (const DType q : {DType::f32, DType::f16, DType::bf16})
    for (const DType kv : {DType::f32, DType::f16, DType::bf16}) {
      Problem p = deep(4, 2, 16, 300, {280, 11});
      p.what.q = q, p.what.kv = kv;
      check_parts(p);
    }
}

TEST_CASE("parts with a window, a softcap, sinks and slopes") {
  if (on_a_device()) return;
  Problem p = deep(4, 2, 16, 600, {599, 3, 300});
  for (const std::int64_t window : {1, 64, 200, 5000}) {
    p.what.window = window;
    check_parts(p);
  }
  p.what.softcap = 1.5, p.what.scale = 0.7;
  check_parts(p);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    p.what.sinks = dtype, p.sinks = {0.5, -3, 80, 0};
    check_parts(p);
    p.what.slopes = dtype, p.slopes = {0.5, 0.25, 0, -0.125};
    check_parts(p);
  }
}

TEST_CASE("what lies beyond a row's reach counts for nothing in parts, whatever it is") {
  if (on_a_device()) return;
  Problem p = deep(4, 2, 16, 300, {250, 64});
  p.what.window = 100;
  const AttentionOperands clean = operands_of(p);
  AttentionOperands o = clean;
  for (std::int64_t i = 0; i < o.k.count(); ++i) {
    const std::int64_t j = i / 16 % 300, own = i / (16 * 300 * 2) == 1 ? 250 : 64;  // row 0 is of slot 1
    if (j > own - 100 && j <= own) continue;
    o.k.set(i, NAN), o.v.set(i, NAN);
  }
  for (const int lanes : {16, 8}) check_result(run_in_parts(with_lanes(lanes), p, o), expected(p, clean));
}

TEST_CASE("a query or a value that is no number gives none in parts, and only there") {
  if (on_a_device()) return;
  const Problem p = deep(4, 2, 16, 300, {250, 64});
  const AttentionOperands clean = operands_of(p);
  const Data wanted = run_in_parts(with_lanes(16), p, clean);
  AttentionOperands o = clean;
  o.q.set(5 * 16 + 3, NAN);                              // of row 1, head 1
  o.v.set(((1 * 2 + 1) * 300 + 70) * 16 + 2, INFINITY);  // slot 1, kv head 1: row 0, heads 2 and 3
  const Data y = run_in_parts(with_lanes(16), p, o);
  for (std::int64_t i = 0; i < y.count(); ++i) {
    const bool odd = i / 16 == 5 || ((i / 16 == 2 || i / 16 == 3) && i % 16 == 2);
    if (odd == std::isfinite(y[i]) || (!odd && y[i] != wanted[i])) FAIL_CHECK("y[" << i << "] = " << y[i]);
  }
}

TEST_CASE("few rows of a deep cache go in parts, where shared memory is a core's cache") {
  Attention what = rows_form(9, 3, 64);
  what.rows = {1}, what.keys = {4096, "C"}, what.has_pos = true;
  CHECK(has_attention_parts(with_lanes(16), what));
  CHECK(!has_attention_parts({.lanes = 32, .subgroups = 4}, what));
  CHECK(!has_attention_parts({.lanes = 16}, what));
  what.rows = {16, "N"};
  CHECK(has_attention_parts(with_lanes(16), what));
  what.rows = {17, "N"};
  CHECK(!has_attention_parts(with_lanes(16), what));
  what.rows = {1}, what.keys = {64};
  CHECK(!has_attention_parts(with_lanes(16), what));
  what.keys = {4096, "C"}, what.head_dim = 72;
  CHECK(!has_attention_parts(with_lanes(16), what));
  CHECK(has_attention_parts(with_lanes(8), what));
  what.mask = Attention::Mask{DType::boolean, {}};
  CHECK(!has_attention_parts(with_lanes(8), what));
}

}  // namespace openinfer::kernels
