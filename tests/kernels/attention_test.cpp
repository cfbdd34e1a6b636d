// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/attention.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "openinfer/error.h"
#include "openinfer/openinfer.h"
#include "template_run.h"
#include "tests/sanitizers.h"

namespace openinfer::kernels {
namespace {

/// Shapes, index vectors and the mask of one call; everything else is noise.
struct Problem {
  Attention what;
  std::int64_t N = 1, T = 1, C = 1, S = 1;  // rows, queries, keys, slots
  std::vector<double> pos = {}, slot = {};
  std::vector<double> mask = {};                // of its own shape
  std::vector<double> sinks = {}, slopes = {};  // (H), as what.sinks and what.slopes say
  bool known = true;                            // extents in the kernel, or parameters
};

struct Result {
  std::vector<double> y, bound;
};

double number_at(const Data& d, std::int64_t i) { return d[i]; }

constexpr double kEps = 0x1p-24;

/// A row of one head: where it is, which keys it may see, and where its head's keys and values begin.
struct Row {
  std::int64_t n, h, t, q_at, own, begin, end, kv_at;
};

Row row_of(const Problem& p, std::int64_t unit) {
  const Attention& a = p.what;
  const std::int64_t H = a.heads, D = a.head_dim;
  Row r = {.n = unit / (p.T * H),
           .h = unit / p.T % H,
           .t = unit % p.T,
           .q_at = unit * D,
           .own = 0,
           .begin = 0,
           .end = p.C,
           .kv_at = 0};
  std::int64_t block = r.n;
  r.own = a.dense ? r.t + p.C - p.T : p.C - 1;
  if (a.has_pos) r.own = static_cast<std::int64_t>(p.pos[static_cast<std::size_t>(r.n)]), block = 0;
  if (a.has_slot) block = static_cast<std::int64_t>(p.slot[static_cast<std::size_t>(r.n)]);
  const bool to_own = a.dense ? a.causal || a.window > 0 : true;
  if (to_own) r.end = std::clamp<std::int64_t>(r.own + 1, 0, p.C);
  if (a.window > 0) r.begin = std::max<std::int64_t>(0, r.own + 1 - a.window);
  r.kv_at = (block * a.kv_heads + r.h / (H / a.kv_heads)) * p.C * D;
  return r;
}

/// A score, and the size of what it is summed from.
struct Score {
  double value = 0, size = 0;
};

Score score_of(const Problem& p, const Row& r, std::int64_t j, const Data& q, const Data& k, const Data& mask) {
  const Attention& a = p.what;
  Score s;
  for (std::int64_t d = 0; d < a.head_dim; ++d) {
    const double product = number_at(q, r.q_at + d) * k[r.kv_at + j * a.head_dim + d];
    s.value += product, s.size += std::abs(product);
  }
  s.value *= a.scale, s.size *= a.scale;
  if (a.softcap > 0) s.value = a.softcap * std::tanh(s.value / a.softcap);
  if (a.slopes) {
    const double added = p.slopes[static_cast<std::size_t>(r.h)] * static_cast<double>(j - r.own);
    s.value += added, s.size += 2 * std::abs(added);
  }
  if (!a.mask) return s;
  const std::int64_t place[] = {r.n, r.h, r.t, j}, extents[] = {p.N, a.heads, p.T, p.C};
  std::int64_t at = 0;
  for (std::size_t d = 0; d < 4; ++d)
    if (a.mask->moves[d]) at = at * extents[d] + place[d];
  const double m = mask[at];
  if (is_float(a.mask->dtype))
    s.value += m, s.size += std::isinf(m) ? 0 : std::abs(m);
  else if (m == 0)
    s.value = -INFINITY;
  return s;
}

/// The definition in f64. Of an error in f32: each score is a sum of D products, scaled, capped (tanh within 2 ULP, and
/// its slope is at most 1) and masked: off by at most δ = (D + 8) eps (Σ|q·k| scale + |mask|). Weights are then off by
/// 2 δ relatively, by exp, fading (twice a tile at most) and the sums over C keys, of which y is a quotient. By matrix
/// units of bf16 scores are off by 2^-14 more, weights and values by 2^-8 each.
Result expected(const Problem& p, const Data& q, const Data& k, const Data& v, const Data& mask, bool units = false) {
  const Attention& a = p.what;
  const std::int64_t D = a.head_dim;
  Result result;
  for (std::int64_t unit = 0; unit < p.N * a.heads * p.T; ++unit) {
    const Row r = row_of(p, unit);
    std::vector<double> scores(static_cast<std::size_t>(p.C), -INFINITY);
    double delta = 0, top = -INFINITY, total = 0, largest = 0;
    for (std::int64_t j = r.begin; j < r.end; ++j) {
      const Score s = score_of(p, r, j, q, k, mask);
      scores[static_cast<std::size_t>(j)] = s.value;
      if (s.value == -INFINITY) continue;
      top = std::max(top, s.value);
      delta = std::max(delta, (static_cast<double>(D + 8) * kEps + (units ? 0x1p-14 : 0)) * s.size);
    }
    if (a.sinks) {
      const double sink = p.sinks[static_cast<std::size_t>(r.h)];
      top = std::max(top, sink), total = std::exp(sink - top);
      delta = std::max(delta, kEps * std::abs(sink));
    }
    std::vector<double> y(static_cast<std::size_t>(D));
    for (std::int64_t j = r.begin; j < r.end; ++j) {
      if (scores[static_cast<std::size_t>(j)] == -INFINITY) continue;
      const double e = std::exp(scores[static_cast<std::size_t>(j)] - top);
      total += e;
      for (std::int64_t d = 0; d < D; ++d) {
        y[static_cast<std::size_t>(d)] += e * v[r.kv_at + j * D + d];
        largest = std::max(largest, std::abs(v[r.kv_at + j * D + d]));
      }
    }
    for (const double sum : y) {
      const double value = total == 0 ? 0 : sum / total;
      result.y.push_back(value);
      result.bound.push_back(largest *
                                 (4 * delta + static_cast<double>(4 * p.C + 20) * kEps + (units ? 0x1.02p-7 : 0)) +
                             rounding(a.q) * std::abs(value));
    }
  }
  return result;
}

struct Operands {
  Data q, k, v, mask;
};

Operands operands_of(const Problem& p) {
  const Attention& a = p.what;
  const std::int64_t kv = (a.dense ? p.N : p.S) * a.kv_heads * p.C * a.head_dim;
  Operands o = {.q = Data(a.q, noise(p.N * a.heads * p.T * a.head_dim, 1)),
                .k = Data(a.kv, noise(kv, 2)),
                .v = Data(a.kv, noise(kv, 3)),
                .mask = {}};
  for (std::int64_t i = 0; i < o.q.count(); ++i) o.q.set(i, 4 * o.q[i]);  // so that weights differ
  if (a.mask) o.mask = Data(a.mask->dtype, p.mask);
  return o;
}

Data run_kernel(const kir::Target& target, const Problem& p, const Operands& o) {
  Attention a = p.what;
  const auto extent = [&](std::int64_t n, const char* name) { return p.known ? Extent{n} : Extent{1 << 12, name}; };
  a.name = "attention";
  a.rows = extent(p.N, "N"), a.keys = extent(p.C, "C"), a.slots = extent(p.S, "S");
  if (a.dense) a.queries = extent(p.T, "T");
  Buffers b = {{"q", o.q}, {"k", o.k}, {"v", o.v}, {"y", Data(a.q, o.q.count())}};
  if (a.mask) b["mask"] = o.mask;
  if (a.has_pos) b["pos"] = Data(DType::i32, p.pos);
  if (a.has_slot) b["slot"] = Data(DType::i32, p.slot);
  if (a.sinks) b["sinks"] = Data(*a.sinks, p.sinks);
  if (a.slopes) b["slopes"] = Data(*a.slopes, p.slopes);
  run(attention(target, a), b, {{"N", p.N}, {"C", p.C}, {"S", p.S}, {"T", p.T}});
  return b["y"];
}

kir::Target with_units() {
  return {.lanes = 16,
          .fast_fma = true,
          .panels = true,
          .mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32}};
}

void check(const Problem& p, const std::vector<kir::Target>& on = targets()) {
  const Operands o = operands_of(p);
  const Result wanted = expected(p, o.q, o.k, o.v, o.mask, on.front().mma.has_value());
  for (const kir::Target& target : on) {
    INFO("lanes " << target.lanes << " subgroups " << target.subgroups);
    const Data y = run_kernel(target, p, o);
    for (std::size_t i = 0; i < wanted.y.size(); ++i)
      if (!(std::abs(y[static_cast<std::int64_t>(i)] - wanted.y[i]) <= wanted.bound[i]))
        FAIL_CHECK("element " << i << ": " << y[static_cast<std::int64_t>(i)] << ", not " << wanted.y[i]
                              << " by at most " << wanted.bound[i]);
  }
}

Attention rows_form(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim) {
  Attention a = {.name = "attention", .rows = {}, .keys = {}, .slots = {}};
  a.heads = heads, a.kv_heads = kv_heads, a.head_dim = head_dim;
  a.scale = 1 / std::sqrt(static_cast<double>(head_dim));
  return a;
}

/// Three rows at different positions of different slots.
Problem three_rows(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim, std::int64_t capacity) {
  Problem p = {.what = rows_form(heads, kv_heads, head_dim), .N = 3, .C = capacity, .S = 2};
  p.what.has_pos = p.what.has_slot = true;
  p.pos = {static_cast<double>(capacity - 1), 0, static_cast<double>(capacity / 2)};
  p.slot = {1, 0, 1};
  return p;
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

/// `rows` neighbours of slot 1, from position 3 on; rows from `other` on are of slot 0.
Problem prompt(std::int64_t rows, std::int64_t head_dim, std::int64_t other = 1000) {
  Problem p = {.what = rows_form(4, 2, head_dim), .N = rows, .C = rows + 9, .S = 2};
  p.what.has_pos = p.what.has_slot = true;
  for (std::int64_t n = 0; n < rows; ++n) {
    p.pos.push_back(static_cast<double>(n < other ? n + 3 : n - other));
    p.slot.push_back(n < other ? 1 : 0);
  }
  return p;
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

TEST_CASE("prompts by matrix units of bf16: parts of tiles, caches in f16, two slots, a window and softcap") {
  if (on_a_device()) return;
  for (const auto& [rows, head_dim] : {std::pair{16, 32}, {33, 64}, {95, 32}})
    for (const DType kv : {DType::f32, DType::f16}) {
      Problem p = prompt(rows, head_dim);
      p.what.kv = kv;
      p.known = rows == 33;
      p.what.rows = {rows};
      CHECK(has_attention_units(with_units(), p.what));
      check(p, {with_units()});
    }
  check(prompt(40, 32, 20), {with_units()});
  Problem p = prompt(50, 32);
  p.what.window = 7, p.what.softcap = 1.5;
  check(p, {with_units()});
  p.what.rows = {8};
  CHECK(!has_attention_units(with_units(), p.what));
  p.what.rows = {50}, p.what.head_dim = 48;
  CHECK(!has_attention_units(with_units(), p.what));
}

TEST_CASE("what lies beyond a prompt's row counts for nothing by matrix units too, whatever it is") {
  if (on_a_device()) return;
  Problem p = prompt(40, 32);
  const Operands clean = operands_of(p);
  const Data wanted = run_kernel(with_units(), p, clean);
  for (const double odd : {static_cast<double>(NAN), static_cast<double>(INFINITY)})
    for (const bool keys : {false, true}) {
      Operands o = clean;
      for (std::int64_t h = 0; h < 2; ++h)
        for (std::int64_t d = 0; d < 32; ++d) (keys ? o.k : o.v).set(((2 + h) * p.C + 42) * 32 + d, odd);
      const Data y = run_kernel(with_units(), p, o);
      const Result exact = expected(p, clean.q, clean.k, clean.v, clean.mask, true);
      for (std::int64_t i = 0; i < 39 * 4 * 32; ++i)  // that tile of keys goes without units
        CHECK(std::abs(y[i] - exact.y[static_cast<std::size_t>(i)]) <= exact.bound[static_cast<std::size_t>(i)]);
      if (!keys) CHECK(!std::isfinite(y[39 * 4 * 32]));
      CHECK(!std::isnan(wanted[39 * 4 * 32]));
    }
}

TEST_CASE("a query that is no number gives none, with matrix units and without") {
  Problem p = prompt(34, 32);
  Operands clean = operands_of(p), o = clean;
  o.q.set(133 * 32 + 3, NAN);  // the last row's second head
  std::vector<kir::Target> all = targets();
  if (!on_a_device()) all.push_back(with_units());
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
