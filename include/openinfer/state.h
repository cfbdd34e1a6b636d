// SPDX-License-Identifier: Apache-2.0
// State specs: what a graph keeps between steps. Contents are allocated by a session, never by a package.
#pragma once

#include <string>

#include "openinfer/dim.h"

namespace openinfer {

/// Keys and values of every layer, slot, head and position: two tensors (layers, slots, heads, capacity, head_dim);
/// capacity is the number of positions of one slot.
struct KvCache {
  Dim layers = 1;
  Dim slots = 1;
  Dim capacity = 1;
  Dim heads = 1;
  Dim head_dim = 1;
  DType dtype = DType::f32;
};

struct StateSpec {
  enum class Kind { kv_cache, tensor };

  Kind kind = Kind::tensor;
  DType dtype = DType::f32;
  Shape shape;  // kv_cache: (layers, slots, heads, capacity, head_dim); tensor: its own
  bool operator==(const StateSpec&) const = default;
  /// "kv_cache(f32, layers=30, slots=slots, heads=3, capacity=ctx, head_dim=64)" or "tensor(f32, shape=[B, 64])".
  std::string to_string() const;
};

/// Errors: none here; sizes are checked when the graph declares the state.
StateSpec kv_cache(KvCache spec);
StateSpec tensor_state(DType dtype, Shape shape);

}  // namespace openinfer
