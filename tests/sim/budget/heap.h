// SPDX-License-Identifier: Apache-2.0
// Counts what this program has from malloc: the program's own malloc stands in front of the C library's.
#pragma once

#include <cstdint>

namespace heap {

/// False under sanitizers, which have a malloc of their own.
bool counts();
std::int64_t now();
/// The most since reset_peak().
std::int64_t peak();
void reset_peak();

}  // namespace heap
