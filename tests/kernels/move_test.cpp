// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/move.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "codegen/kernels/gather.h"
#include "lib/base/dequantize.h"
#include "stored.h"
#include "template_run.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

std::vector<double> counted(std::int64_t n) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < n; ++i) values.push_back(static_cast<double>(i % 120));
  return values;
}

/// Of a dense row-major tensor, all of whose extents are known.
std::vector<Extent> dense_steps(const std::vector<Extent>& axes) {
  std::vector<Extent> steps(axes.size(), Extent{1});
  for (std::size_t d = axes.size(); d-- > 1;) steps[d - 1].value = steps[d].value * axes[d].value;
  return steps;
}

}  // namespace

TEST_CASE("transposing six axes, every width of element") {
  const std::vector<std::int64_t> shape = {2, 3, 1, 5, 2, 3}, order = {5, 3, 0, 4, 2, 1};
  for (const kir::Target& target : targets())
    for (const DType dtype : {DType::boolean, DType::i8, DType::f16, DType::f32, DType::i64}) {
      std::vector<Extent> axes, from;
      for (const std::int64_t n : shape) axes.push_back({n});
      const std::vector<Extent> dense = dense_steps(axes);
      Move what = {.dtype = dtype};
      for (const std::int64_t d : order) {
        what.axes.push_back(axes[static_cast<std::size_t>(d)]);
        what.from_steps.push_back(dense[static_cast<std::size_t>(d)]);
      }
      what.to_steps = dense_steps(what.axes);
      Buffers b = {{"x", Data(dtype, counted(180))}, {"y", Data(dtype, 180)}};
      run(move(target, "transpose", what), b);
      std::vector<double> expected;
      std::vector<std::int64_t> at(6);
      for (std::int64_t e = 0; e < 180; ++e) {
        std::int64_t rest = e, place = 0;
        for (std::size_t d = 6; d-- > 0;) {
          const auto axis = static_cast<std::size_t>(order[d]);
          place += rest % shape[axis] * dense[axis].value;
          rest /= shape[axis];
        }
        expected.push_back(b["x"][place]);
      }
      CHECK(b["y"].values() == expected);
    }
}

TEST_CASE("a strided slice, a broadcast and a part of a concatenation") {
  for (const kir::Target& target : targets()) {
    // y[n, i] = x[n, 2 i], 5 columns of 10; N is a parameter
    Buffers slice = {{"x", Data(DType::i32, counted(70))}, {"y", Data(DType::i32, 35)}};
    run(move(target, "slice", {{{64, "N"}, {5}}, {{10}, {2}}, {{5}, {1}}, DType::i32}), slice, {{"N", 7}});
    Buffers spread = {{"x", Data(DType::i32, counted(5))}, {"y", Data(DType::i32, 15)}};
    run(move(target, "broadcast", {{{3}, {5}}, {{0}, {1}}, {{5}, {1}}, DType::i32}), spread);
    // x (3, 2) as columns 1 and 2 of y (3, 4)
    Buffers part = {{"x", Data(DType::i32, counted(6))}, {"y", Data(DType::i32, 12)}};
    run(move(target, "concat", {{{3}, {2}}, {{2}, {1}}, {{4}, {1}}, DType::i32, {0}, {4, "first"}}), part,
        {{"first", 1}});
    std::vector<double> sliced, repeated;
    for (int e = 0; e < 35; ++e) sliced.push_back(e / 5 * 10 + e % 5 * 2);
    for (int e = 0; e < 15; ++e) repeated.push_back(e % 5);
    CHECK(slice["y"].values() == sliced);
    CHECK(spread["y"].values() == repeated);
    CHECK(part["y"].values() == std::vector<double>{0, 0, 1, 0, 0, 2, 3, 0, 0, 4, 5, 0});
  }
}

TEST_CASE("axes that are walked backwards") {
  for (const kir::Target& target : targets()) {
    Buffers b = {{"x", Data(DType::f16, counted(24))}, {"y", Data(DType::f16, 24)}};
    Move what = {{{2}, {64, "N"}, {4}}, {{12}, {4}, {1}}, {{12}, {4}, {1}}, DType::f16};
    what.backwards = {false, true, true};
    run(move(target, "flip", what), b, {{"N", 3}});
    CHECK(b["y"].values() ==
          std::vector<double>{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12});
  }
}

TEST_CASE("iota counts along an axis") {
  for (const kir::Target& target : targets())
    for (const DType dtype : {DType::i32, DType::u8, DType::f16, DType::f64, DType::i64}) {
      Buffers b = {{"y", Data(dtype, 12)}};
      run(iota(target, "iota", {{{2}, {8, "n"}, {2}}, 1, dtype}), b, {{"n", 3}});
      CHECK(b["y"].values() == std::vector<double>{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2});
    }
}

TEST_CASE("gather takes rows by number and touches nothing beyond the table") {
  for (const kir::Target& target : targets())
    for (const DType dtype : {DType::i8, DType::f16, DType::bf16, DType::f32, DType::i64})
      for (const DType ids : {DType::i32, DType::i64}) {
        Gather what = {.outer = {2}, .entries = {5}, .count = {64, "J"}, .inner = {3}, .table = dtype, .ids = ids};
        Buffers b = {
            {"table", Data(dtype, counted(30))},
            {"ids", Data(ids, {4, 0, ids == DType::i64 ? 1 - 0x1p32 : -1, ids == DType::i64 ? 0x1p32 + 1 : 7})},
            {"y", Data(dtype, 24)}};
        run(gather(target, "gather", what), b, {{"J", 4}});
        CHECK(b["y"].values() == std::vector<double>{12, 13, 14, 0,  1,  2,  0,  1,  2,  12, 13, 14,
                                                     27, 28, 29, 15, 16, 17, 15, 16, 17, 27, 28, 29});
        what = {.outer = {1},
                .entries = {5},
                .count = {64, "J"},
                .inner = {3},
                .table = dtype,
                .ids = ids,
                .steps = {{1}, {1}, {5}}};
        b["y"] = Data(dtype, 12);
        run(gather(target, "gather", what), b, {{"J", 4}});
        CHECK(b["y"].values() == std::vector<double>{4, 9, 14, 0, 5, 10, 0, 5, 10, 4, 9, 14});
      }
}

TEST_CASE("gather decodes blocks as the library does") {
  const DType formats[] = {DType::q4_0, DType::q5_1, DType::q8_0, DType::q4_k,  DType::q6_k,
                           DType::i4,   DType::u1,   DType::t1,   DType::iq3_s, DType::tq1_0};
  for (const DType dtype : formats) {
    const DTypeInfo& format = info(dtype);
    const std::int64_t width = 8 * format.block_size, row_bytes = 8 * format.block_bytes;
    std::vector<std::byte> table(static_cast<std::size_t>(5 * row_bytes));
    std::vector<float> decoded(static_cast<std::size_t>(5 * width));
    const std::vector<double> bytes = noise(5 * row_bytes);
    // Bits of every kind; no byte above 63, so that no scale is infinite or NaN.
    for (std::size_t i = 0; i < table.size(); ++i)
      table[i] = static_cast<std::byte>(static_cast<int>((bytes[i] + 1) * 1024) % 64);
    dequantize(dtype, table.data(), decoded.data(), 5 * width);
    for (const kir::Target& target : targets()) {
      const Gather what = {.outer = {1}, .entries = {5}, .count = {3}, .inner = {width}, .table = dtype};
      Buffers b = {{"table", Data(table)},
                   {"ids", Data(DType::i32, std::vector<double>{4, 0, 2})},
                   {"y", Data(DType::f32, 3 * width)},
                   {"iq_codebooks", codebook_data()}};
      run(gather(target, "gather", what), b);
      std::vector<double> expected;
      for (const std::int64_t id : {4, 0, 2})
        for (std::int64_t i = 0; i < width; ++i) expected.push_back(decoded[static_cast<std::size_t>(id * width + i)]);
      double most = 1;
      for (const double v : expected) most = std::max(most, std::abs(v));
      CAPTURE(name(dtype));
      CHECK(distance(b["y"].values(), expected) <= 3 * most * rounding(DType::f32));  // scale, product and sum
    }
  }
}
