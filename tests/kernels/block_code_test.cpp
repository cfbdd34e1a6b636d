// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/block_code.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "lib/base/dequantize.h"
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
      Buffers b = {{"w", m.data}, {"y", Data(DType::f32, 6 * size)}, {"iq_codebooks", codebook_data()}};
      run({.kernel = k.done(), .grid = {}, .reason = ""}, b);
      CHECK(distance(b["y"].values(), m.values) == 0);
    }
  }
}

TEST_CASE("every byte of packed elements has the bits that dequantize gives, NaN and infinity too") {
  for (const DType dtype : packed_dtypes()) {
    CAPTURE(name(dtype));
    const int each = packed_code(dtype)->per_byte;
    CHECK(each == info(dtype).block_size);
    std::vector<std::byte> bytes;
    for (int b = 0; b < 256; ++b) bytes.push_back(static_cast<std::byte>(b));
    std::vector<float> wanted(static_cast<std::size_t>(256 * each));
    dequantize(dtype, bytes.data(), wanted.data(), 256 * each);
    for (const kir::Target& target : {kir::Target{}, kir::Target{.lanes = 8}}) {
      kir::Build k("elements", target);
      const StoredMatrix matrix(k, "w", dtype);
      const kir::Mem y = k.out("y", kir::Kind::f32);
      k.for_("row", 0, 2, [&](kir::Val row) {
        k.for_lanes("i", 0, 128 * each,
                    [&](kir::Val i) { y[row * (128 * each) + i] = matrix.element(row, k.constant(128 * each), i); });
      });
      Buffers b = {{"w", Data(bytes)}, {"y", Data(DType::f32, 256 * each)}};
      run({.kernel = k.done(), .grid = {}, .reason = ""}, b);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double got = b["y"][static_cast<std::int64_t>(i)];
        INFO("element " << i);
        CHECK((std::isnan(wanted[i]) ? std::isnan(got)
                                     : got == wanted[i] && std::signbit(got) == std::signbit(wanted[i])));
      }
    }
  }
}

TEST_CASE("every stored dtype has a code, and a plain one says that it has none") {
  CHECK(block_dtypes().size() == 24);
  CHECK(packed_dtypes().size() == 10);
  CHECK_THROWS_WITH(block_code(DType::f16), Catch::Contains("f16 is no block format"));
}
