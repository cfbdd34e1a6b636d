// SPDX-License-Identifier: Apache-2.0
// rope, sdpa, the key/value cache, tensors that are kept.
#include <fmt/format.h>

#include <cmath>

#include "openinfer/ops.h"
#include "tests/matrix/operators.h"

namespace openinfer::matrix {
namespace {

/// Positions that differ from row to row of a slot.
constexpr std::int64_t kSlots = 2, kCapacity = 40;
Fill slots() {
  return numbered([](std::int64_t n) { return n % kSlots; });
}
Fill positions() {
  return numbered([](std::int64_t n) { return n / kSlots; });
}
Fill one_to_one() {
  return numbered([](std::int64_t n) { return (n * 7 + 3) % kMostRows; });
}

}  // namespace

void rope_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const Shape& shape, const Rope& options, bool quick, std::int64_t given = 0) {
    const auto build = [=](CellGraph& c) {
      const Value x = c.input(t, shape), pos = c.input(i32, {shape[0]}, ids(4000));
      Rope how = options;
      if (given == 1) how.frequencies = c.input(f32, {options.head_dim / 2});
      if (given == 2) how.frequencies = c.input(f32, {2, options.head_dim / 2});
      // x · cos - y · sin of numbers up to 1: sin and cos are off by 1 ULP on both sides, then come three roundings,
      // and one of the factor.
      const double factor = options.attention_factor;
      c.output(rope(x, pos, how),
               sum_bound(factor == 1 ? 6 : 8 * factor, [=, &c] { return fill(c.b(), shape, 2.0, f64); }));
    };
    to.push_back(
        {.op = std::string(row.name), .dtype = std::string(name(t)), .form = form, .build = build, .quick = quick});
  };
  add("(N, 3*16)", {kN, 48}, {.head_dim = 16}, true);
  add("(N, 2, 10), 4 rotated", {kN, 2, 10}, {.head_dim = 10, .rotary_dim = 4}, t == f32);
  add("(N, 64), linear", {kN, 64}, {.head_dim = 64, .theta = 500000.0, .scaling = "linear", .factor = 4}, false);
  add("(7, 128), llama3", {7, 128}, {.head_dim = 64, .scaling = "llama3", .factor = 8, .original_context = 512},
      t == f32);
  add("(N, 2*64), yarn", {kN, 128},
      {.head_dim = 64, .scaling = "yarn", .factor = 4, .original_context = 1024, .attention_factor = 1.25}, t == f32);
  add("(N, 48), frequencies", {kN, 48}, {.head_dim = 16}, false, 1);
  add("(N, 48), frequencies by context", {kN, 48},
      {.head_dim = 16, .original_context = 20, .attention_factor = 0.5, .context = kN}, t == f32, 2);
}

namespace {

struct AttentionForm {
  const char* name;
  std::int64_t H, Hk, D;
  Attention options = {};
  std::optional<DType> mask = {};
  Shape mask_shape = {};
  bool quick = false;
  bool sinks = false, slopes = false;
};

/// The error of scores is at most δ = (D + 8) eps Σ|q·k| / √D ≤ (D + 8) √D eps for numbers up to 1 (a mask's are as
/// small as that), weights are off by 2 δ, and so is y relative to max |v| ≤ 1, by exp and by sums over the keys; all
/// of it on both sides (tests/kernels/attention_test.cpp has the same with the numbers themselves).
Bound attention_bound(CellGraph& c, const AttentionForm& f, double keys, const Shape& shape) {
  const double D = static_cast<double>(f.D);
  return sum_bound(4 * (D + 9) * std::sqrt(D) + 4 * keys + 20, [=, &c] { return fill(c.b(), shape, 1.0, f64); });
}

Attention with_mask(CellGraph& c, const AttentionForm& f) {
  Attention options = f.options;
  if (f.mask)
    options.mask = c.input(*f.mask, f.mask_shape, *f.mask == u8 ? ids(2) : is_float(*f.mask) ? noise() : every_value());
  if (f.sinks) options.sinks = c.input(f16, {f.H});
  if (f.slopes) options.slopes = c.input(f32, {f.H}, noise(1.0 / 64));  // what they add is as small as a mask
  return options;
}

void add_dense(const Operator& row, DType t, const AttentionForm& f, std::int64_t keys, std::vector<Cell>& to) {
  const auto build = [=](CellGraph& c) {
    const Shape shape = {2, f.H, kN, f.D}, kv = {2, f.Hk, keys, f.D};
    const Value q = c.input(t, shape), k = c.input(t, kv), v = c.input(t, kv);
    c.output(sdpa(q, k, v, with_mask(c, f)), attention_bound(c, f, static_cast<double>(keys), shape));
  };
  to.push_back({.op = std::string(row.name),
                .dtype = std::string(name(t)),
                .form = fmt::format("dense, {} keys, {}/{} heads of {}, {}", keys, f.H, f.Hk, f.D, f.name),
                .build = build,
                .quick = f.quick && (t == f32 || t == f16)});
}

/// Rows write into a cache, then look at it.
void add_rows(const Operator& row, DType t, DType cache, const AttentionForm& f, std::vector<Cell>& to) {
  const auto build = [=](CellGraph& c) {
    const State kv = c.b().state(
        c.own("kv"),
        kv_cache(
            {.layers = 2, .slots = kSlots, .capacity = kCapacity, .heads = f.Hk, .head_dim = f.D, .dtype = cache}));
    const Shape shape = {kN, f.H * f.D};
    const Value pos = c.input(i32, {kN}, positions()), slot = c.input(i32, {kN}, slots());
    const Value k = c.input(t, {kN, f.Hk * f.D}), v = c.input(t, {kN, f.Hk * f.D});
    kv_write(kv, {.layer = 1, .pos = pos, .slot = slot}, k, v);
    const auto [keys, values] = kv_read(kv, {.layer = 1});
    Attention options = with_mask(c, f);
    options.pos = pos;
    options.slot = slot;
    c.output(sdpa(c.input(t, shape), keys, values, options), attention_bound(c, f, kCapacity, shape));
  };
  to.push_back({.op = std::string(row.name),
                .dtype = fmt::format("{}, cache {}", name(t), name(cache)),
                .form = fmt::format("rows, {}/{} heads of {}, {}", f.H, f.Hk, f.D, f.name),
                .build = build,
                .quick = f.quick && (t == f32 || t == f16)});
}

}  // namespace

void sdpa_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const AttentionForm plain = {.name = "plain", .H = 2, .Hk = 2, .D = 8, .quick = true};
  add_dense(row, t, plain, 33, to);
  add_dense(row, t, {.name = "causal", .H = 4, .Hk = 2, .D = 16, .options = {.causal = true}, .quick = true}, 65, to);
  add_dense(row, t, {.name = "window 5", .H = 3, .Hk = 1, .D = 7, .options = {.causal = true, .window = 5}}, 70, to);
  add_dense(row, t, {.name = "softcap", .H = 1, .Hk = 1, .D = 64, .options = {.softcap = 2}}, 7, to);
  add_dense(row, t, {.name = "scale", .H = 1, .Hk = 1, .D = 8, .options = {.scale = 0.25}}, 1, to);
  const Shape full = {2, 2, kN, 33};
  add_dense(row, t, {.name = "mask bool", .H = 2, .Hk = 2, .D = 8, .mask = boolean, .mask_shape = full}, 33, to);
  add_dense(row, t, {.name = "mask u8", .H = 2, .Hk = 2, .D = 8, .mask = u8, .mask_shape = {33}}, 33, to);
  add_dense(row, t, {.name = "mask f32", .H = 2, .Hk = 2, .D = 8, .mask = f32, .mask_shape = {kN, 33}, .quick = true},
            33, to);
  add_dense(row, t, {.name = "mask f16", .H = 2, .Hk = 2, .D = 8, .mask = f16, .mask_shape = {2, 1, kN, 1}}, 33, to);
  for (const DType cache : {f32, f16, bf16}) add_rows(row, t, cache, plain, to);
  add_rows(row, t, f32, {.name = "window 9", .H = 4, .Hk = 2, .D = 16, .options = {.window = 9}, .quick = true}, to);
  add_rows(row, t, f16, {.name = "softcap", .H = 9, .Hk = 3, .D = 64, .options = {.softcap = 3}}, to);
  add_dense(row, t,
            {.name = "causal, sinks, slopes",
             .H = 4,
             .Hk = 2,
             .D = 16,
             .options = {.causal = true},
             .sinks = true,
             .slopes = true},
            65, to);
  add_rows(
      row, t, f32,
      {.name = "window 9, sinks", .H = 4, .Hk = 2, .D = 16, .options = {.window = 9}, .quick = true, .sinks = true},
      to);
  add_rows(row, t, f16, {.name = "slopes", .H = 4, .Hk = 1, .D = 16, .slopes = true}, to);
  add_rows(row, t, f32,
           {.name = "mask bool", .H = 2, .Hk = 1, .D = 8, .mask = boolean, .mask_shape = {kN, 1, 1, kCapacity}}, to);
}

void kv_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  enum class At { pos_slot, pos, step };
  const auto add = [&](const std::string& form, DType cache, At at, bool split, bool rotated, bool quick) {
    const auto build = [=](CellGraph& c) {
      const State kv = c.b().state(c.own("kv"), kv_cache({.layers = 3,
                                                          .slots = at == At::step ? kMostRows : kSlots,
                                                          .capacity = at == At::pos ? kMostRows : kCapacity,
                                                          .heads = 3,
                                                          .head_dim = 10,
                                                          .dtype = cache}));
      const Shape shape = split ? Shape{kN, 3, 10} : Shape{kN, 30};
      const bool whole = !rotated;  // what is rotated is computed
      Value k = c.input(t, shape, whole ? every_value() : noise());
      const Value v = c.input(t, shape, every_value());
      KvAt where = {.layer = 1};
      if (at == At::step) where.step = c.input(i32, {}, ids(kCapacity));
      if (at != At::step) where.pos = c.input(i32, {kN}, at == At::pos ? one_to_one() : positions());
      if (at == At::pos_slot) where.slot = c.input(i32, {kN}, slots());
      if (rotated) k = rope(k, c.input(i32, {kN}, ids(1000)), {.head_dim = 10});
      kv_write(kv, where, k, v);
      const auto [keys, values] = kv_read(kv, {.layer = 1});
      const Value read = keys;
      // The simulator rounds what is rotated to 16 bits; a kernel does not before it stores.
      const double more = t == f16 ? 0x1p13 : t == bf16 ? 0x1p16 : 1;
      const Bound rope_bound = sum_bound(6 * more, [=, &c] { return fill(c.b(), read.shape(), 2.0, f64); });
      c.output(keys, rotated ? rope_bound : exact());
      c.output(values);
    };
    to.push_back({.op = std::string(row.name),
                  .dtype = fmt::format("{}, cache {}", name(t), name(cache)),
                  .form = form,
                  .build = build,
                  .quick = quick});
  };
  if (row.name == "kv_read") return add("of what was written", t, At::pos_slot, false, false, true);
  const bool quick = t == f32;
  add("by pos and slot", f32, At::pos_slot, false, false, true);
  add("by pos", f32, At::pos, false, false, quick);
  add("by step", f32, At::step, false, false, quick);
  for (const DType cache : {f16, bf16, f64}) add("(N, H, D) by pos and slot", cache, At::pos_slot, true, false, quick);
  add("behind rope", f32, At::pos_slot, false, true, true);
  add("behind rope", f16, At::pos, true, true, quick);
}

void state_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const Shape& shape, bool quick) {
    const auto build = [=](CellGraph& c) {
      const State s = c.b().state(c.own("s"), tensor_state(t, shape));
      const Value x = c.input(t, shape, every_value()), seen = state_read(s);
      c.output(seen);  // of the step before
      state_write(s, x);
      const Value now = state_read(s);
      c.output(transpose(now));
    };
    to.push_back(
        {.op = std::string(row.name), .dtype = std::string(name(t)), .form = form, .build = build, .quick = quick});
  };
  add("(5, 33)", {5, 33}, row.name == "state_read");
  add("()", {}, false);
  add("(3, 1, 700)", {3, 1, 700}, t == f32 && row.name == "state_write");
}

}  // namespace openinfer::matrix
