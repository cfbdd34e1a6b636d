// SPDX-License-Identifier: Apache-2.0
#include "attention_problem.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "int8_blocks.h"

namespace openinfer::kernels {
namespace {

double number_at(const Data& d, std::int64_t i) { return d[i]; }

constexpr double kEps = 0x1p-24;

/// A row of one head: where it is, which keys it may see, and where its head's keys and values begin.
struct Row {
  std::int64_t n, h, t, q_at, own, begin, end, kv_at;
};

Row row_of(const AttentionProblem& p, std::int64_t unit) {
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

Score score_of(const AttentionProblem& p, const Row& r, std::int64_t j, const Data& q, const Data& k,
               const Data& mask) {
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

}  // namespace

AttentionResult expected(const AttentionProblem& p, const AttentionOperands& o, double of_bf16) {
  const Data &q = o.q, &k = o.k, &v = o.v, &mask = o.mask;
  const Attention& a = p.what;
  const std::int64_t D = a.head_dim;
  AttentionResult result;
  for (std::int64_t unit = 0; unit < p.N * a.heads * p.T; ++unit) {
    const Row r = row_of(p, unit);
    std::vector<double> scores(static_cast<std::size_t>(p.C), -INFINITY);
    double delta = 0, top = -INFINITY, total = 0, largest = 0;
    for (std::int64_t j = r.begin; j < r.end; ++j) {
      const Score s = score_of(p, r, j, q, k, mask);
      scores[static_cast<std::size_t>(j)] = s.value;
      if (s.value == -INFINITY) continue;
      top = std::max(top, s.value);
      delta = std::max(delta, (static_cast<double>(D + 8) * kEps + of_bf16) * s.size);
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
      result.bound.push_back(
          largest * (4 * delta + static_cast<double>(4 * p.C + 20) * kEps + (of_bf16 > 0 ? 0x1.02p-7 : 0)) +
          rounding(a.q) * std::abs(value));
    }
  }
  return result;
}

AttentionOperands operands_of(const AttentionProblem& p) {
  const Attention& a = p.what;
  const std::int64_t kv = (a.dense ? p.N : p.S) * a.kv_heads * p.C * a.head_dim;
  AttentionOperands o = {.q = Data(a.q, noise(p.N * a.heads * p.T * a.head_dim, 1)),
                         .k = Data(a.kv, noise(kv, 2)),
                         .v = Data(a.kv, noise(kv, 3)),
                         .mask = {}};
  for (std::int64_t i = 0; i < o.q.count(); ++i) o.q.set(i, 4 * o.q[i]);  // so that weights differ
  if (a.mask) o.mask = Data(a.mask->dtype, p.mask);
  return o;
}

namespace {

struct Call {
  Attention what;
  Buffers buffers;
  std::map<std::string, std::int64_t> sizes;
};

Call call_of(const AttentionProblem& p, const AttentionOperands& o) {
  Attention a = p.what;
  const auto extent = [&](std::int64_t n, const char* name) { return p.known ? Extent{n} : Extent{1 << 12, name}; };
  a.name = "attention";
  a.rows = extent(p.N, "N"), a.keys = extent(p.C, "C"), a.slots = extent(p.S, "S");
  if (a.dense) a.queries = extent(p.T, "T");
  Buffers b = {
      {"q", o.q}, {"k", o.k}, {"v", o.v}, {"y", a.int8 ? int8_room(o.q.count() / 32) : Data(a.q, o.q.count())}};
  if (a.mask) b["mask"] = o.mask;
  if (a.has_pos) b["pos"] = Data(DType::i32, p.pos);
  if (a.has_slot) b["slot"] = Data(DType::i32, p.slot);
  if (a.sinks) b["sinks"] = Data(*a.sinks, p.sinks);
  if (a.slopes) b["slopes"] = Data(*a.slopes, p.slopes);
  return {a, std::move(b), {{"N", p.N}, {"C", p.C}, {"S", p.S}, {"T", p.T}}};
}

}  // namespace

Data run_kernel(const kir::Target& target, const AttentionProblem& p, const AttentionOperands& o) {
  Call c = call_of(p, o);
  run(attention(target, c.what), c.buffers, c.sizes);
  return c.buffers["y"];
}

Data run_in_parts(const kir::Target& target, const AttentionProblem& p, const AttentionOperands& o) {
  Call c = call_of(p, o);
  // Parts without a key are left as they are.
  const std::int64_t parts = p.N * p.what.heads * attention_parts_of(target);
  const auto unwritten = [&](std::int64_t each) {
    return Data(DType::f32, std::vector<double>(static_cast<std::size_t>(parts * each), NAN));
  };
  c.buffers["part_sums"] = unwritten(p.what.head_dim), c.buffers["part_weights"] = unwritten(2);
  run(attention_parts(target, c.what), c.buffers, c.sizes);
  run(attention_from_parts(target, c.what), c.buffers, c.sizes);
  return c.buffers["y"];
}

void check_result(const Data& y, const AttentionResult& wanted) {
  for (std::size_t i = 0; i < wanted.y.size(); ++i)
    if (!(std::abs(y[static_cast<std::int64_t>(i)] - wanted.y[i]) <= wanted.bound[i]))
      FAIL_CHECK("element " << i << ": " << y[static_cast<std::int64_t>(i)] << ", not " << wanted.y[i] << " by at most "
                            << wanted.bound[i]);
}

Attention rows_form(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim) {
  Attention a = {.name = "attention", .rows = {}, .keys = {}, .slots = {}};
  a.heads = heads, a.kv_heads = kv_heads, a.head_dim = head_dim;
  a.scale = 1 / std::sqrt(static_cast<double>(head_dim));
  return a;
}

AttentionProblem three_rows(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim, std::int64_t capacity) {
  AttentionProblem p = {.what = rows_form(heads, kv_heads, head_dim), .N = 3, .C = capacity, .S = 2};
  p.what.has_pos = p.what.has_slot = true;
  p.pos = {static_cast<double>(capacity - 1), 0, static_cast<double>(capacity / 2)};
  p.slot = {1, 0, 1};
  return p;
}

AttentionProblem prompt(std::int64_t rows, std::int64_t head_dim, std::int64_t other) {
  AttentionProblem p = {.what = rows_form(4, 2, head_dim), .N = rows, .C = rows + 9, .S = 2};
  p.what.has_pos = p.what.has_slot = true;
  for (std::int64_t n = 0; n < rows; ++n) {
    p.pos.push_back(static_cast<double>(n < other ? n + 3 : n - other));
    p.slot.push_back(n < other ? 1 : 0);
  }
  return p;
}

kir::Target with_lanes(int lanes) { return {.lanes = lanes, .fast_fma = true, .core_cache = true}; }
kir::Target with_pairs() { return {.lanes = 16, .bf16_dot = true, .fast_fma = true, .core_cache = true}; }

}  // namespace openinfer::kernels
