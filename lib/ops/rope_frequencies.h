// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "openinfer/ops.h"

namespace openinfer {

/// f_i = theta^(−2i/r) in f64, rounded to f32, then scaled in f32; r/2 of them, r the rotary dimension. The angle of
/// pair i at position p is the f32 product p · f_i.
std::vector<float> rope_frequencies(const Rope& options);

}  // namespace openinfer
