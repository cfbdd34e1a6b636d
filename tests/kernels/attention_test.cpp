// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "attention_problem.h"
#include "openinfer/error.h"
#include "openinfer/openinfer.h"
#include "tests/sanitizers.h"

namespace openinfer::kernels {
namespace {

using Problem = AttentionProblem;
using Result = AttentionResult;
using Operands = AttentionOperands;

kir::Target with_units() {
  return {.lanes = 16,
          .fast_fma = true,
          .core_cache = true,
          .mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32}};
}

std::vector<kir::Target> of_bf16() { return {with_units(), with_pairs()}; }

/// By how much scores are off on such targets: operands are rounded once, or into two parts.
double off_by_bf16(const kir::Target& target, const Problem& p) {
  if (target.mma) return 0x1p-14;
  return p.what.bf16 && target.bf16_dot ? 0x1.02p-7 : 0;
}

void check(const Problem& p, const std::vector<kir::Target>& on = targets()) {
  const Operands o = operands_of(p);
  for (const kir::Target& target : on) {
    INFO("lanes " << target.lanes << " subgroups " << target.subgroups << (target.mma ? " by units" : ""));
    check_result(run_kernel(target, p, o), expected(p, o, off_by_bf16(target, p)));
  }
}

std::vector<double> mask_bits(std::int64_t count) {
  std::vector<double> values;
  for (const double x : noise(count, 9)) values.push_back(x > 0.2 ? 1 : 0);
  return values;
}

}  // namespace

TEST_CASE("rows at different positions and slots, grouped queries, any head_dim") {
  for (const std::int64_t head_dim : {16, 5, 64, 1, 40}) {
    Problem p = three_rows(4, 2, head_dim, 37);
    check(p);
    p.known = false;
    check(p);
  }
}

TEST_CASE("prompts: whole tiles of rows and parts of one, keys behind several tiles, caches in f16") {
  for (const auto& [rows, head_dim] : {std::pair{16, 16}, {33, 32}, {70, 16}, {95, 64}}) {
    if (UNDER_ASAN && rows == 95) continue;  // a third of what all attention takes there
    Problem p = prompt(rows, head_dim);
    p.known = rows == 33;
    check(p);
    p.what.kv = DType::f16;
    check(p);
  }
}

TEST_CASE("prompts of two slots in one tile, without slots, with window and softcap") {
  for (const std::int64_t other : {1, 20, 32, 39}) check(prompt(40, 16, other));
  Problem p = prompt(40, 16);
  p.what.has_slot = false;
  check(p);
  for (const std::int64_t window : {1, 7, 33}) {
    p = prompt(50, 16);
    p.what.window = window;
    check(p);
  }
  p = prompt(20, 16);
  p.what.softcap = 1.5, p.what.scale = 0.7;
  check(p);
}

TEST_CASE(
    "prompts in bf16, by matrix units and in pairs: parts of tiles, caches in f16, two slots, a window and softcap") {
  if (on_a_device()) return;
  for (const auto& [rows, head_dim] : {std::pair{16, 32}, {33, 64}, {95, 32}})
    for (const DType kv : {DType::f32, DType::f16}) {
      Problem p = prompt(rows, head_dim);
      p.what.kv = kv;
      p.known = rows == 33;
      p.what.rows = {rows}, p.what.bf16 = true;
      for (const kir::Target& target : of_bf16()) CHECK(has_attention_units(target, p.what));
      check(p, of_bf16());
    }
  Problem p = prompt(40, 32, 20);
  p.what.bf16 = true;
  check(p, of_bf16());
  p = prompt(50, 32);
  p.what.window = 7, p.what.softcap = 1.5, p.what.bf16 = true;
  check(p, of_bf16());
  p.what.rows = {8};
  for (const kir::Target& target : of_bf16()) CHECK(!has_attention_units(target, p.what));
  p.what.rows = {50}, p.what.head_dim = 48;
  for (const kir::Target& target : of_bf16()) CHECK(!has_attention_units(target, p.what));
  p.what.head_dim = 32, p.what.bf16 = false;  // numerics strict
  CHECK(!has_attention_units(with_pairs(), p.what));
}

TEST_CASE("what lies beyond a prompt's row counts for nothing in bf16 too, whatever it is") {
  if (on_a_device()) return;
  const bool units = GENERATE(true, false);
  const kir::Target target = units ? with_units() : with_pairs();
  Problem p = prompt(40, 32);
  p.what.bf16 = true;
  const Operands clean = operands_of(p);
  const Data wanted = run_kernel(target, p, clean);
  for (const double odd : {static_cast<double>(NAN), static_cast<double>(INFINITY)})
    for (const bool keys : {false, true}) {
      Operands o = clean;
      for (std::int64_t h = 0; h < 2; ++h)
        for (std::int64_t d = 0; d < 32; ++d) (keys ? o.k : o.v).set(((2 + h) * p.C + 42) * 32 + d, odd);
      const Data y = run_kernel(target, p, o);
      const Result exact = expected(p, clean, off_by_bf16(target, p));
      for (std::int64_t i = 0; i < 39 * 4 * 32; ++i)  // that tile of keys goes without units
        CHECK(std::abs(y[i] - exact.y[static_cast<std::size_t>(i)]) <= exact.bound[static_cast<std::size_t>(i)]);
      if (!keys) CHECK(!std::isfinite(y[39 * 4 * 32]));
      CHECK(!std::isnan(wanted[39 * 4 * 32]));
    }
}

TEST_CASE("a query that is no number gives none, in bf16 and in f32") {
  Problem p = prompt(34, 32);
  p.what.bf16 = true;
  Operands clean = operands_of(p), o = clean;
  o.q.set(133 * 32 + 3, NAN);  // the last row's second head
  std::vector<kir::Target> all = targets();
  if (!on_a_device()) all.push_back(with_units()), all.push_back(with_pairs());
  for (const kir::Target& target : all) {
    const Data y = run_kernel(target, p, o), wanted = run_kernel(target, p, clean);
    for (std::int64_t i = 0; i < 34 * 4 * 32; ++i)
      if (i / 32 == 133 ? !std::isnan(y[i]) : y[i] != wanted[i]) FAIL_CHECK(target.lanes << " lanes: y[" << i << "]");
  }
}

TEST_CASE("what lies beyond a prompt's row counts for nothing, whatever it is") {
  Problem p = prompt(40, 16);
  const Operands clean = operands_of(p);
  Operands o = clean;
  for (const double odd : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    // The last row's own key and value: no other row sees them.
    for (std::int64_t h = 0; h < 2; ++h)
      for (std::int64_t d = 0; d < 16; ++d) {
        const std::int64_t at = ((2 + h) * p.C + 42) * 16 + d;
        o.k.set(at, odd), o.v.set(at, odd);
      }
    for (const kir::Target& target : targets()) {
      const Data y = run_kernel(target, p, o), wanted = run_kernel(target, p, clean);
      for (std::int64_t i = 0; i < 39 * 4 * 16; ++i) CHECK(y[i] == wanted[i]);
      CHECK(std::isnan(y[39 * 4 * 16]));
    }
  }
}

TEST_CASE("every dtype of queries and caches") {
  for (const DType q : {DType::f32, DType::f16, DType::bf16})
    for (const DType kv : {DType::f32, DType::f16, DType::bf16}) {
      Problem p = three_rows(2, 1, 8, 21);
      p.what.q = q, p.what.kv = kv;
      check(p);
    }
}

TEST_CASE("rows without slots see slot 0, rows without positions all of their own slot") {
  Problem p = three_rows(3, 3, 8, 19);
  p.what.has_slot = false;
  check(p);
  p.what.has_pos = false, p.S = 3;
  check(p);
}

TEST_CASE("window, softcap and scale") {
  for (const std::int64_t window : {1, 5, 100}) {
    Problem p = three_rows(2, 1, 8, 41);
    p.what.window = window;
    check(p);
  }
  Problem p = three_rows(2, 2, 8, 20);
  p.what.softcap = 1.5, p.what.scale = 0.7;
  check(p);
}

TEST_CASE("sinks join the denominator, slopes fall with the distance") {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Problem p = three_rows(4, 2, 8, 41);
    p.what.sinks = dtype, p.sinks = {0.5, -3, 8, 0};
    check(p);
    p.what.window = 5;
    check(p);
    p.what.slopes = dtype, p.slopes = {0.5, 0.25, 0, -0.125};
    check(p);
    p.what.sinks = {};
    check(p);
  }
  Problem p = {.what = rows_form(2, 1, 8), .N = 2, .T = 5, .C = 7};
  p.what.dense = true, p.what.causal = true;
  p.what.sinks = DType::f32, p.sinks = {1, -1};
  p.what.slopes = DType::f32, p.slopes = {1, 0.5};
  check(p);
}

TEST_CASE("a row of nothing but its sink gives zeros") {
  Problem p = three_rows(2, 2, 4, 6);
  p.what.mask = Attention::Mask{DType::boolean, {false, false, false, false}};
  p.mask = {0};
  p.what.sinks = DType::f32, p.sinks = {-5, 7};
  check(p);
}

TEST_CASE("masks of every kind, broadcast along any axis") {
  for (const DType dtype : {DType::boolean, DType::u8, DType::f32, DType::f16, DType::bf16, DType::f64})
    for (const auto& moves : {std::array{true, true, false, true}, std::array{false, false, false, true},
                              std::array{true, false, false, true}, std::array{false, true, false, false}}) {
      if (few_shaders() && dtype != DType::f32 && !(moves[0] && moves[1])) continue;
      Problem p = three_rows(2, 1, 4, 23);
      p.what.mask = {dtype, moves};
      const std::int64_t count = (moves[0] ? p.N : 1) * (moves[1] ? 2 : 1) * (moves[3] ? p.C : 1);
      p.mask = is_float(dtype) ? noise(count, 4) : mask_bits(count);
      if (is_float(dtype) && moves[3]) p.mask[1] = -INFINITY;
      check(p);
    }
}

TEST_CASE("a row that may attend to nothing gives zeros") {
  for (const DType dtype : {DType::boolean, DType::f32}) {
    Problem p = three_rows(1, 1, 6, 40);
    p.what.mask = {dtype, {true, false, false, true}};
    p.mask = is_float(dtype) ? noise(120) : std::vector<double>(120, 1);
    for (std::size_t j = 0; j < 40; ++j) p.mask[j] = is_float(dtype) ? -INFINITY : 0;
    check(p);
    const Operands o = operands_of(p);
    const Data y = run_kernel({.lanes = 8, .subgroups = 4}, p, o);
    for (std::int64_t d = 0; d < 6; ++d) CHECK(y[d] == 0);
    CHECK(y[6] != 0);
  }
}

TEST_CASE("scores of the lowest f32 are still attended to") {
  Problem p = three_rows(1, 1, 4, 9);
  p.what.mask = {DType::f32, {false, false, false, true}};
  p.mask = std::vector<double>(9, -0x1.fffffep127);  // the lowest of f32
  const Operands o = operands_of(p);
  // All scores are equal: the mean of the values.
  for (const kir::Target& target : targets()) {
    const Data y = run_kernel(target, p, o);
    double mean = 0;
    for (std::int64_t j = 0; j < 9; ++j) mean += o.v[9 * 4 + j * 4] / 9;
    CHECK(std::abs(y[0] - mean) < 1e-6);
  }
}

TEST_CASE("what lies beyond a row's reach or under its mask counts for nothing, whatever it is") {
  Problem p = three_rows(2, 1, 8, 30);
  p.pos = {20, 3, 11};
  p.what.window = 12;
  p.what.mask = {DType::boolean, {false, false, false, true}};
  p.mask = mask_bits(30);
  Operands o = operands_of(p);
  const Data clean = run_kernel({.lanes = 8}, p, o);
  for (std::int64_t i = 0; i < o.k.count(); ++i) {
    const std::int64_t j = i / 8 % 30, slot = i / (8 * 30);
    const bool seen = slot == 0 ? j <= 3 : j <= 20;
    if (seen && p.mask[static_cast<std::size_t>(j)] != 0) continue;
    o.k.set(i, NAN), o.v.set(i, NAN);
  }
  for (const kir::Target& target : targets()) {
    const Data y = run_kernel(target, p, o);
    CHECK(distance(y.values(), clean.values()) < 1e-5);
  }
}

TEST_CASE("the dense form: causal or not, more keys than queries and fewer, window, mask, parameters") {
  for (const bool causal : {false, true})
    for (const auto& [T, keys] : {std::pair{7, 7}, {3, 19}, {6, 4}, {1, 33}})
      for (const std::int64_t window : {0, 4}) {
        Problem p = {.what = rows_form(4, 2, 6), .N = 2, .T = T, .C = keys};
        p.what.dense = true, p.what.causal = causal, p.what.window = window;
        p.known = !causal;
        check(p);
      }
  Problem p = {.what = rows_form(2, 1, 8), .N = 2, .T = 5, .C = 9};
  p.what.dense = true;
  for (const auto& moves : {std::array{true, true, true, true}, std::array{false, false, true, true},
                            std::array{true, false, false, true}}) {
    p.what.mask = {DType::f32, moves};
    p.mask = noise((moves[0] ? 2 : 1) * (moves[1] ? 2 : 1) * (moves[2] ? 5 : 1) * 9, 5);
    check(p);
  }
}

TEST_CASE("f64 queries are refused") {
  Attention a = rows_form(1, 1, 8);
  a.q = DType::f64;
  CHECK_THROWS_WITH(attention({}, a), Catch::Contains("[sdpa] devices compute it in f32 only, not in f64"));
}

TEST_CASE("the kernel agrees with the operator in the simulator") {
  const Problem p = three_rows(4, 2, 16, 50);
  const Operands o = operands_of(p);
  const auto tensor = [](const Data& d, Extents shape) {
    std::vector<float> values;
    for (const double x : d.values()) values.push_back(static_cast<float>(x));
    return Tensor(values, std::move(shape));
  };
  const auto ints = [](const std::vector<double>& from) {
    const std::vector<std::int32_t> values(from.begin(), from.end());
    return Tensor(values, {static_cast<std::int64_t>(values.size())});
  };
  SimSession sim(graph([](GraphBuilder& b) {
    const Value q = b.input("q", f32, {3, 64}), k = b.input("k", f32, {2, 2, 50, 16});
    const Value v = b.input("v", f32, {2, 2, 50, 16}), pos = b.input("pos", i32, {3}), slot = b.input("slot", i32, {3});
    b.output("y", sdpa(q, k, v, openinfer::Attention{.pos = pos, .slot = slot}));
  }));
  const auto out = sim.run_step({{"q", tensor(o.q, {3, 64})},
                                 {"k", tensor(o.k, {2, 2, 50, 16})},
                                 {"v", tensor(o.v, {2, 2, 50, 16})},
                                 {"pos", ints(p.pos)},
                                 {"slot", ints(p.slot)}});
  const auto reference = out["y"].data<float>();
  for (const kir::Target& target : targets()) {
    const Data y = run_kernel(target, p, o);
    for (std::int64_t i = 0; i < y.count(); ++i)  // scores of 16 terms below 4, weights of 50, all in f32
      CHECK(std::abs(y[i] - static_cast<double>(reference[static_cast<std::size_t>(i)])) < 1e-5);
  }
}

}  // namespace openinfer::kernels
