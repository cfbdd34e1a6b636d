// SPDX-License-Identifier: Apache-2.0
// How many rows a workgroup of attention in tiles takes.
#include <catch2/catch.hpp>

#include "codegen/kernels/attention.h"

using namespace openinfer;
using namespace openinfer::kernels;

TEST_CASE("many heads to a key take fewer rows at once, so that their lines fit a stack") {
  const kir::Target units = {.lanes = 16,
                             .core_cache = true,
                             .mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32}};
  Attention what;
  what.rows = {512, "N"}, what.has_pos = true;
  what.heads = 128, what.kv_heads = 1, what.head_dim = 128;
  CHECK(attention_tile_rows(units, what) == (1 << 20) / (128 * (12 * 128 + 16)));
  what.heads = 3, what.head_dim = 64;
  CHECK(attention_tile_rows(units, what) == 64);
}
