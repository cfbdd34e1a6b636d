// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/block_code.h"

#include <catch2/catch.hpp>

#include "openinfer/error.h"
#include "stored.h"

using namespace openinfer;
using namespace openinfer::kernels;

TEST_CASE("every element of a block has the bits that dequantize gives") {
  for (const DType dtype : block_dtypes()) {
    const int size = block_code(dtype).size;
    CAPTURE(name(dtype));
    CHECK(size == info(dtype).block_size);
    CHECK(block_code(dtype).record.size_bytes() == info(dtype).block_bytes);
    Stored m(dtype, 3, 2 * size, 7);
    for (const kir::Target& target : {kir::Target{}, kir::Target{.lanes = 8}}) {
      kir::Build k("elements", target);
      const StoredMatrix matrix(k, "w", dtype);
      const kir::Mem y = k.out("y", kir::Kind::f32);
      k.for_("row", 0, 3, [&](kir::Val row) {
        k.for_lanes("i", 0, 2 * size,
                    [&](kir::Val i) { y[row * (2 * size) + i] = matrix.element(row, k.constant(2 * size), i); });
      });
      Buffers b = {{"w", m.data}, {"y", Data(DType::f32, 6 * size)}};
      run({.kernel = k.done(), .grid = {}, .reason = ""}, b);
      CHECK(distance(b["y"].values(), m.values) == 0);
    }
  }
}

TEST_CASE("codebook formats have no block code yet, and say so") {
  CHECK(block_dtypes().size() == 16);
  CHECK_FALSE(has_block_code(DType::iq2_xxs));
  CHECK_THROWS_WITH(block_code(DType::iq2_xxs), Catch::Contains("no kernel reads blocks of iq2_xxs yet"));
}
