// SPDX-License-Identifier: Apache-2.0
// What the operators over a key/value cache share: its type and the indices into it.
#pragma once

#include <string_view>

#include "openinfer/op_def.h"

namespace openinfer {

/// A cache of this run: keys and values (layers, slots, heads, capacity, head_dim).
struct CacheShape {
  std::int64_t layers, slots, heads, capacity, head_dim;
  explicit CacheShape(const Extents& e) : layers(e[0]), slots(e[1]), heads(e[2]), capacity(e[3]), head_dim(e[4]) {}
  /// The element where the rows of (layer, slot, head) begin.
  std::int64_t first(std::int64_t layer, std::int64_t slot, std::int64_t head) const {
    return ((layer * slots + slot) * heads + head) * capacity * head_dim;
  }
};

/// Errors: invalid_argument [C1] if the node's state is no kv_cache of f16|bf16|f32|f64.
void check_is_cache(const InferContext& c);
/// dtype_mismatch, shape_mismatch `[Cn]`: operand i, if given, is i32 of `shape`.
void check_index(const InferContext& c, std::size_t i, const Shape& shape);
/// Entry n of an i32 operand, within [0, limit). Errors: invalid_argument: "layer 30 is outside the cache, which has
/// 30 layers".
std::int64_t index_at(const OpRun& run, std::size_t operand, std::int64_t n, std::int64_t limit, std::string_view what);

}  // namespace openinfer
