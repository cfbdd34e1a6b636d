// SPDX-License-Identifier: Apache-2.0
// Attention of rows over keys and values where they lie: softmax(scale · q·kᵀ, masked) · v, as `sdpa` in
// openinfer/ops.h. One workgroup computes one row of one query head; how far it reads is found at run time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// Rows form: q (N, H·D) over the slots of a cache, k and v (S, Hk, C, D). Dense form: q (B, H, T, D), k and v
/// (B, Hk, Tk, D). Both are q (rows, H, queries, D) here, with queries = 1 for the rows form. Head h reads kv head
/// h / (H / Hk).
struct Attention {
  struct Mask {
    DType dtype;                // bool, u8: nonzero = may attend; float: added to the scores, -infinity hides
    std::array<bool, 4> moves;  // along (rows, H, queries, keys); false where its extent is 1
  };
  std::string name;  // of the kernel
  DType q = DType::f32, kv = DType::f32;
  bool dense = false;
  Extent rows;           // N or B
  Extent queries = {1};  // T
  Extent keys;           // C or Tk
  Extent slots;          // S; rows form
  std::int64_t heads = 1, kv_heads = 1, head_dim = 1;
  bool has_pos = false, has_slot = false;  // rows form: i32 (N)
  bool causal = false;                     // dense form: query t sees keys up to t + Tk - T
  std::int64_t window = 0;                 // > 0: only the last `window` keys up to the row's own
  double softcap = 0;                      // > 0: s becomes softcap · tanh(s / softcap), before the mask
  double scale = 1;
  bool bf16 = false;  // may dot products round their operands to bf16? (Matrix units: where the target has them)
  bool int8 = false;  // y in rows of 8-bit blocks (int8_rows.h): where stores_int8_attention()
  std::optional<Mask> mask = {};
  std::optional<DType> sinks = {};   // (H): a score that joins the denominator
  std::optional<DType> slopes = {};  // (H): times how far a key is behind the row's own, added before the mask
};

/// Buffers: q, k, v, [mask], [pos], [slot], [sinks], [slopes], y. Subgroups take tiles of as many keys as they have
/// lanes: a dot product for each key over the lanes, then the tile's weights at once (lane j: key j), then its values.
/// The softmax is online: sums follow the largest score so far. Sums are f32; nothing but y is written. A row that may
/// attend to nothing gives zeros. What a position or slot points outside of the cache, or a row beyond its slots,
/// reads inside of it: hosts refuse it before. Errors: unsupported for f64 queries.
TemplateKernel attention(const kir::Target& target, const Attention& what);

/// Another schedule, for CPUs: a workgroup takes neighbouring rows and all query heads of one kv head, stages keys
/// (turned, so that lanes are keys) and values once for all of them, and keeps sums of several heads and rows in
/// registers. attention() takes it where has_attention_tiles(): the rows form with positions, without a mask, sinks and
/// slopes, of four queries or more to a key. Asks the target for (tune.NAME of a device's row):
///   attention_rows  rows of a workgroup
bool has_attention_tiles(const kir::Target& target, const Attention& what);
TemplateKernel attention_tiles(const kir::Target& target, const Attention& what);
/// Is bf16 what that schedule multiplies? For prompts whose head_dim is a multiple of 32, where keys and values are
/// finite. By matrix units (Target::mma) queries and keys are in two parts, so that scores are off by at most 2^-14
/// Σ|q·k|; by dot products of pairs (Attention::bf16, Target::bf16_dot) they are rounded, by 2^-8 each. So are weights
/// and values.
bool has_attention_units(const kir::Target& target, const Attention& what);
int attention_tile_rows(const kir::Target& target, const Attention& what);

/// A third schedule, for few rows deep in a cache, in two kernels: what a row sees is cut into parts, as many for every
/// row, of whole tiles of keys. A workgroup takes a part for all query heads of one kv head, several of which share
/// each load; the second kernel puts the parts of a row's head together. As attention() but that a mask stays with
/// that. Buffers of the first: q, k, v, pos, [slot], [slopes], part_sums f32 (N, H, parts, D), part_weights f32 (N, H,
/// parts, 2: the largest score, the sum of weights); of the second: part_sums, part_weights, pos, [sinks], y. Parts
/// that hold no key are neither written nor read. Asks the target for:
///   attention_parts  parts of a row
bool has_attention_parts(const kir::Target& target, const Attention& what);
int attention_parts_of(const kir::Target& target);
TemplateKernel attention_parts(const kir::Target& target, const Attention& what);
TemplateKernel attention_from_parts(const kir::Target& target, const Attention& what);

/// Can the schedule that is taken leave y in 8-bit blocks?
bool stores_int8_attention(const kir::Target& target, const Attention& what);

}  // namespace openinfer::kernels
