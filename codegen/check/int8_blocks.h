// SPDX-License-Identifier: Apache-2.0
// Rows that a kernel leaves in 8-bit blocks alone (codegen/kernels/int8_rows.h): what they are of the simulator's
// values, and how far the elements of a device's may be from these.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace openinfer::check {

/// The words of the blocks of these numbers, 32 at a time.
std::vector<std::int32_t> int8_blocks(std::span<const double> numbers);

/// Of values that a device may have within `bounds` of these: how far d · q may be from them. A block that has a NaN
/// or an infinity is NaN throughout, and the number wanted too; one that may have either has no bounds.
void widen_to_int8(std::vector<double>& numbers, std::vector<double>& bounds);

}  // namespace openinfer::check
