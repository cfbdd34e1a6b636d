// SPDX-License-Identifier: Apache-2.0
// Numbers that users write (literals, inputs) into elements of a dtype.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "openinfer/graph.h"

namespace openinfer {

/// Stores `number` as one element at `to`. Floats round to nearest; integers and bool must hold it exactly.
/// False, with nothing stored, if the dtype cannot hold it: out of range, a fraction, or no plain dtype.
bool store_number(Number number, DType dtype, std::byte* to);

std::string to_string(Number number);

}  // namespace openinfer
