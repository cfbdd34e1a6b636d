// SPDX-License-Identifier: Apache-2.0
// Codebooks of the iq block formats: ggml's, packed. Element i of an entry is code (entry >> bits·i) & mask: eight
// 2-bit codes in iq1 and iq2, four 4-bit codes in iq3.
#pragma once

#include <cstdint>

namespace openinfer {

extern const std::uint16_t kIq1sGrid[2048];   // codes 0, 1, 2: −1, 0, 1
extern const std::uint16_t kIq2xxsGrid[256];  // codes 0, 1, 2: 8, 25, 43
extern const std::uint16_t kIq2xsGrid[512];   // the same
extern const std::uint16_t kIq2sGrid[1024];   // the same
extern const std::uint16_t kIq3xxsGrid[256];  // codes 0 … 7: 4, 12, 20, 28, 36, 44, 52, 62
extern const std::uint16_t kIq3sGrid[512];    // code c: 2c + 1

}  // namespace openinfer
