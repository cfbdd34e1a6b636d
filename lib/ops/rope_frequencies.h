// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "openinfer/ops.h"

namespace openinfer {

/// f_i = theta^(−2i/r) in f64, rounded to f32, then scaled in f32; r/2 of them, r the rotary dimension. The angle of
/// pair i at position p is the f32 product p · f_i.
std::vector<float> rope_frequencies(const Rope& options);

/// The attributes of a rope node. `from` has integer(name), number(name), string(name), flag(name), dim(name).
template <class From>
Rope rope_options(const From& from) {
  return {.head_dim = from.integer("head_dim"),
          .theta = from.number("theta"),
          .rotary_dim = from.integer("rotary_dim"),
          .scaling = from.string("scaling"),
          .factor = from.number("factor"),
          .low_freq_factor = from.number("low_freq_factor"),
          .high_freq_factor = from.number("high_freq_factor"),
          .original_context = from.integer("original_context"),
          .attention_factor = from.number("attention_factor"),
          .beta_fast = from.number("beta_fast"),
          .beta_slow = from.number("beta_slow"),
          .truncate = from.flag("truncate"),
          .context = from.dim("context")};
}

}  // namespace openinfer
