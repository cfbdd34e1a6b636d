// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/rope.h"

#include <functional>

#include "codegen/kernels/pointwise.h"

namespace openinfer::kernels {
namespace {

using kir::Kind;
using kir::Mem;
using kir::Val;

/// Heads one after the other, dealt to the subgroups. Where lanes are dealt already: for_subgroups would need them all.
void each_head(kir::Build& k, int heads, const kir::Build::LoopBody& body) {
  k.for_("h", k.subgroup(), heads, body, 1, k.target().subgroups);
}

/// Where the row of frequencies begins.
Val first_frequency(kir::Build& k, const Rotation& r) {
  if (r.original_context == 0) return k.constant(0);
  return k.let("first_frequency",
               select(value_of(k, r.context) > r.original_context, k.constant(r.rotary / 2), k.constant(0)));
}

/// store(head, i, value) for each element of a row of heads, rotated. A lane has one pair of each head, so that its
/// sine and cosine serve them all.
void rotate(kir::Build& k, const Rotation& r, const Mem& frequencies, const Val& position,
            const std::function<Val(Val head, Val i)>& load,
            const std::function<void(Val head, Val i, Val value)>& store) {
  const int half = r.rotary / 2;
  const Val first = first_frequency(k, r);
  const auto scaled = [&](const Val& v) { return r.attention_factor == 1 ? v : v * r.attention_factor; };
  k.for_lanes("i", 0, half, [&](Val i) {
    const Val angle = k.let("angle", convert(position, Kind::f32) * frequencies[first + i]);
    const Val cosine = k.let("cosine", scaled(scalar_call(k, "cos", {angle})));
    const Val sine = k.let("sine", scaled(scalar_call(k, "sin", {angle})));
    each_head(k, r.heads, [&](Val h) {
      const Val a = k.let("a", load(h, i)), b = k.let("b", load(h, i + half));
      store(h, i, a * cosine - b * sine);
      store(h, i + half, b * cosine + a * sine);
    });
  });
  if (r.rotary == r.head_dim) return;
  k.for_lanes("i", r.rotary, r.head_dim,
              [&](Val i) { each_head(k, r.heads, [&](Val h) { store(h, i, load(h, i)); }); });
}

Val at_head(const Val& row, const Val& h, const Val& i, int heads, int head_dim) {
  return (row * heads + h) * head_dim + i;
}

}  // namespace

TemplateKernel rope(const kir::Target& target, std::string name, const Rope& what) {
  kir::Build k(std::move(name), target);
  const Rotation& r = what.rotation;
  const Mem x = k.in("x", memory_kind(what.x)), pos = k.in("pos", Kind::i32), f = k.in("frequencies", Kind::f32);
  const Mem y = k.out("y", memory_kind(what.x));
  const Val row = k.group();
  const auto at = [&](const Val& h, const Val& i) { return at_head(row, h, i, r.heads, r.head_dim); };
  rotate(
      k, r, f, k.let("position", pos[row]), [&](Val h, Val i) { return x[at(h, i)].load(); },
      [&](Val h, Val i, Val value) { y[at(h, i)] = value; });
  return {.kernel = k.done(), .grid = {{what.rows, 1}}, .reason = "a workgroup for each row, a lane for each pair"};
}

TemplateKernel kv_write(const kir::Target& target, std::string name, const KvWrite& what) {
  using Places = KvWrite::Places;
  kir::Build k(std::move(name), target);
  const Mem keys = k.in("k", memory_kind(what.k)), values = k.in("v", memory_kind(what.v));
  const Mem pos = k.in("pos", Kind::i32);
  const Mem slots = what.places == Places::pos_slot ? k.in("slot", Kind::i32) : Mem();
  const Mem rope_pos = what.rope ? k.in("rope_pos", Kind::i32) : Mem();
  const Mem frequencies = what.rope ? k.in("frequencies", Kind::f32) : Mem();
  const Mem k_cache = k.out("k_cache", memory_kind(what.cache)), v_cache = k.out("v_cache", memory_kind(what.cache));
  const Kind kind = kir::info(memory_kind(what.cache)).in_register;

  const Val row = k.group(), capacity = value_of(k, what.capacity);
  const Val position = k.let("position", what.places == Places::step ? pos[0].load() : pos[row].load());
  const Val slot = what.places == Places::step       ? row
                   : what.places == Places::pos_slot ? k.let("slot_of_row", slots[row])
                                                     : k.constant(0);
  const Val inside = position >= 0 && position < capacity && slot >= 0 && slot < value_of(k, what.slots);
  k.if_(inside, [&] {
    const auto from = [&](const Val& h, const Val& i) { return at_head(row, h, i, what.heads, what.head_dim); };
    const auto to = [&](const Val& h, const Val& i) {
      return ((slot * what.heads + h) * capacity + position) * what.head_dim + i;
    };
    const auto copy = [&](const Mem& x, const Mem& cache) {
      k.for_lanes("i", 0, what.head_dim, [&](Val i) {
        each_head(k, what.heads, [&](Val h) { cache[to(h, i)] = convert(x[from(h, i)], kind); });
      });
    };
    copy(values, v_cache);
    if (!what.rope) return copy(keys, k_cache);
    rotate(
        k, *what.rope, frequencies, k.let("angle_position", rope_pos[row]),
        [&](Val h, Val i) { return keys[from(h, i)].load(); },
        [&](Val h, Val i, Val value) { k_cache[to(h, i)] = convert(value, kind); });
  });
  return {.kernel = k.done(), .grid = {{what.rows, 1}}, .reason = "a workgroup for each row, a lane for each pair"};
}

}  // namespace openinfer::kernels
