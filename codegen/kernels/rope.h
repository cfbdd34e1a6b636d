// SPDX-License-Identifier: Apache-2.0
// Rotary position embeddings, alone and on the way into the key/value cache.
#pragma once

#include <optional>
#include <string>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// Pairs (i, i + rotary/2) of each head are turned by angle pos · frequencies[i], a product of f32; its cosine and sine
/// are multiplied by attention_factor.
struct Rotation {
  int heads = 1, head_dim = 2;
  int rotary = 2;  // the first elements of a head; the others stay
  double attention_factor = 1;
  /// Not 0: frequencies are two rows, and the second is taken where `context` is more.
  std::int64_t original_context = 0;
  Extent context = {};
};

/// Buffers: x (rows, heads, head_dim), pos i32 (rows), frequencies f32 (rotary/2, or two rows of them), y like x.
struct Rope {
  Extent rows;
  Rotation rotation;
  DType x = DType::f32;  // f16, bf16 or f32: devices have no sin of f64
};
TemplateKernel rope(const kir::Target& target, std::string name, const Rope& what);

/// k_cache[slot[n], h, pos[n], i] = k[n, h, i], and v likewise; k rotated first where `rope` is set.
/// Buffers: k, v (rows, heads, head_dim), pos i32, slot i32 (rows; by `places`), [rope_pos i32 (rows), frequencies f32
/// (rotary/2)], k_cache, v_cache (slots, heads, capacity, head_dim). A row whose place is outside the cache writes
/// nothing. Two rows of one place: either may stay.
struct KvWrite {
  enum class Places : std::uint8_t {
    pos,       // pos i32 (rows), all in slot 0
    pos_slot,  // and slot i32 (rows)
    step,      // pos i32 (): row n goes to slot n, all at that position
  };
  Extent rows, slots, capacity;
  Places places = Places::pos_slot;
  int heads = 1, head_dim = 2;
  DType k = DType::f32, v = DType::f32, cache = DType::f32;
  std::optional<Rotation> rope = {};
};
TemplateKernel kv_write(const kir::Target& target, std::string name, const KvWrite& what);

}  // namespace openinfer::kernels
