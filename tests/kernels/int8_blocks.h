// SPDX-License-Identifier: Apache-2.0
// What rows of 8-bit blocks are, in plain C++.
#pragma once

#include <cstring>
#include <vector>

#include "template_run.h"

namespace openinfer::kernels {

struct Int8Block {
  float d = 0, d_sum = 0;
  std::int32_t sum = 0, first_sum = 0;
  std::int8_t qs[32] = {};
};
static_assert(sizeof(Int8Block) == 48);

inline std::vector<Int8Block> int8_blocks(Data& data) {
  std::vector<Int8Block> blocks(data.bytes().size() / sizeof(Int8Block));
  if (!blocks.empty()) std::memcpy(blocks.data(), data.bytes().data(), data.bytes().size());
  return blocks;
}
inline Data int8_data(const std::vector<Int8Block>& blocks) {
  std::vector<std::byte> bytes(blocks.size() * sizeof(Int8Block));
  if (!blocks.empty()) std::memcpy(bytes.data(), blocks.data(), bytes.size());
  return Data(std::move(bytes));
}
inline Data int8_room(std::int64_t blocks) {
  return int8_data(std::vector<Int8Block>(static_cast<std::size_t>(blocks)));
}

/// Fails the test where a block is not what 32 numbers give: the policy of codegen/kernels/int8_rows.h.
void check_int8_block(const Int8Block& got, const double* x);

/// Blocks with quants all over -127 … 127, each with some of either end.
std::vector<Int8Block> random_int8_blocks(std::int64_t count, std::uint32_t seed);

}  // namespace openinfer::kernels
