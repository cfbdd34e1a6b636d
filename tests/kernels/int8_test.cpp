// SPDX-License-Identifier: Apache-2.0
// Activations in 8-bit blocks and products of them in integers.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/int8_rows.h"
#include "codegen/kernels/norm.h"
#include "codegen/kernels/outer.h"
#include "codegen/kernels/product.h"
#include "formats/opnf/panel16.h"
#include "int8_blocks.h"
#include "stored.h"
#include "tests/sanitizers.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace openinfer::kernels {

void check_int8_block(const Int8Block& got, const double* x) {
  double largest = 0;
  bool finite = true;
  for (int j = 0; j < 32; ++j) {
    finite = finite && std::isfinite(x[j]);
    largest = std::max(largest, std::abs(x[j]));
  }
  std::int32_t sum = 0, first = 0;
  for (int j = 0; j < 32; ++j) {
    sum += got.qs[j];
    first += j < 16 ? got.qs[j] : 0;
  }
  CHECK(got.sum == sum);
  CHECK(got.first_sum == first);
  if (!finite) {
    CHECK(std::isnan(got.d));
    CHECK(std::isnan(got.d_sum));
    CHECK(sum == 0);
    return;
  }
  const double d = largest < 0x1p-100 ? 0 : largest / 127;
  CHECK(std::abs(got.d - d) <= 3 * 0x1p-24 * d);  // a product with 1/127, both rounded, and a device's own rounding
  CHECK(std::abs(got.d_sum - got.d * static_cast<double>(sum)) <= 0x1p-23 * std::abs(got.d_sum));
  for (int j = 0; j < 32; ++j) {
    const double exact = d == 0 ? 0 : x[j] / d;
    // The nearest, or its neighbour where x / d is halfway but for the roundings of 127 / max (2.5 ULP on Vulkan) and
    // of the product.
    CHECK(std::abs(got.qs[j] - exact) <= 0.5 + 127 * 8 * 0x1p-24);
    CHECK(std::abs(got.qs[j]) <= 127);
  }
}

std::vector<Int8Block> random_int8_blocks(std::int64_t count, std::uint32_t seed) {
  const std::vector<double> numbers = noise(count * 33, seed);
  std::vector<Int8Block> blocks(static_cast<std::size_t>(count));
  std::size_t next = 0;
  for (Int8Block& b : blocks) {
    b.d = static_cast<float>((2 + numbers[next++]) / 100);
    for (int j = 0; j < 32; ++j) {
      b.qs[j] = static_cast<std::int8_t>(std::lround(std::clamp(numbers[next++] * 140, -127.0, 127.0)));
      b.sum += b.qs[j];
      b.first_sum += j < 16 ? b.qs[j] : 0;
    }
    b.d_sum = b.d * static_cast<float>(b.sum);
  }
  return blocks;
}

}  // namespace openinfer::kernels

namespace {

void check_int8(const kir::Target& target, DType dtype, std::int64_t rows, std::int64_t width,
                const std::vector<double>& numbers, bool known = true) {
  INFO(name(dtype) << " " << rows << " x " << width);
  const Data x(dtype, numbers);
  const std::vector<double> stored = x.values();
  Buffers b = {{"x", x}, {"y", int8_room(rows * width / 32)}};
  const Extent extent = known ? Extent{rows} : Extent{1 << 16, "N"};
  run(to_int8(target, {.name = "to_int8", .of = "x", .to = "y", .x = dtype, .rows = extent, .width = {width}}), b,
      {{"N", rows}});
  const std::vector<Int8Block> blocks = int8_blocks(b["y"]);
  for (std::size_t i = 0; i < blocks.size(); ++i) check_int8_block(blocks[i], stored.data() + i * 32);
}

/// Products in either way of multiplying bytes: signed ones on every target, the others where C++ has them.
std::vector<kir::Target> dot_targets() {
  std::vector<kir::Target> all;
  for (kir::Target target : targets()) {
    target.dot4 = kir::Dot4::ss;
    all.push_back(target);
  }
  if (few_shaders()) return all;  // the others go to the interpreter, as in kernels_tests
  for (const kir::Dot4 dot4 : {kir::Dot4::us, kir::Dot4::us_sat16})
    for (const int lanes : {1, 16}) all.push_back({.lanes = lanes, .dot4 = dot4});
  return all;
}

/// Σ over blocks of d · Σ q · w. Dots are exact; each group adds scale · d · dot and low · d_sum, four roundings of
/// terms of at most d · Σ|q| · 4 · the largest |w| (signs of the two, bytes above their quants), and those are added
/// up.
Near expected(const std::vector<Int8Block>& x, std::int64_t n, const Stored& w, std::int64_t m) {
  Near sum;
  for (std::int64_t k = 0; k < w.n; ++k) {
    const Int8Block& b = x[static_cast<std::size_t>((n * w.n + k) / 32)];
    const double x_k = static_cast<double>(b.d) * b.qs[k % 32];
    sum.value += x_k * w.at(m, k);
    sum.bound += static_cast<double>(b.d) * 127 * 4 * w.largest();
  }
  sum.bound *= static_cast<double>(w.n / 16 + 8) * 0x1p-24;
  return sum;
}

/// Of N rows of x, of which there may be so many.
void check_products(const kir::Target& target, const std::vector<Int8Block>& x, const Stored& w, const Extent& rows,
                    std::int64_t N, Layout layout) {
  const std::int64_t M = static_cast<std::int64_t>(w.values.size()) / w.n;
  Product p = {.name = "p", .rows = rows, .inner = {w.n}};
  p.int8 = true;
  p.weights = {{.name = "w", .dtype = w.dtype, .columns = {M}, .layout = layout}};
  p.tails = {{.axes = {p.rows, {M}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  Buffers b = {{"x", int8_data(x)}, {"w", layout == Layout::rows ? w.data : panels(w)}, {"y", Data(DType::f32, N * M)}};
  run(product(target, p), b, {{"N", N}});
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t m = 0; m < M; ++m) check(b["y"], n * M + m, expected(x, n, w, m));
}

void check_product(const kir::Target& target, DType dtype, std::int64_t N, std::int64_t K, std::int64_t M,
                   Layout layout = Layout::rows, std::int64_t most = 1 << 16) {
  INFO(name(dtype) << ": " << N << ", " << K << ", " << M << " dot4 " << name(target.dot4) << " lanes "
                   << target.lanes);
  check_products(target, random_int8_blocks(N * K / 32, 7), Stored(dtype, M, K, 12),
                 most == 1 ? Extent{1} : Extent{most, "N"}, N, layout);
}

/// A product of 8-bit rows and two weights, of each its own result.
void check_siblings(const kir::Target& target, Product::Siblings siblings, const Stored& u, const Stored& v,
                    std::int64_t N, Layout layout) {
  INFO(name(u.dtype) << " " << name(v.dtype) << " of " << N << " rows, depth " << target.tuned_or("outer_depth", 0));
  const bool stacked = siblings == Product::Siblings::stacked;
  const auto rows_of = [](const Stored& w) { return static_cast<std::int64_t>(w.values.size()) / w.n; };
  const std::int64_t K = u.n, M = rows_of(u), M2 = rows_of(v);
  const std::vector<Int8Block> x = random_int8_blocks(N * K / 32, 5);
  Product p = {.name = "p", .rows = {1 << 16, "N"}, .inner = {K}};
  p.int8 = true;
  p.siblings = siblings;
  p.weights = {{.name = "u", .dtype = u.dtype, .columns = {M}, .layout = layout},
               {.name = "v", .dtype = v.dtype, .columns = {M2}, .layout = layout}};
  const auto plain = [&](const char* y, std::int64_t width) {
    return Pointwise{.axes = {p.rows, {width}}, .given = {DType::f32}, .outputs = {{y, DType::f32, 0}}};
  };
  if (stacked)
    p.tails = {plain("yu", M), plain("yv", M2)};
  else
    p.tails = {{.axes = {p.rows, {M}},
                .given = {DType::f32, DType::f32},
                .outputs = {{"yu", DType::f32, 0}, {"yv", DType::f32, 1}}}};
  Buffers b = {{"x", int8_data(x)},
               {"u", layout == Layout::rows ? u.data : panels(u)},
               {"v", layout == Layout::rows ? v.data : panels(v)},
               {"yu", Data(DType::f32, N * M)},
               {"yv", Data(DType::f32, N * M2)}};
  run(product(target, p), b, {{"N", N}});
  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t m = 0; m < M; ++m) check(b["yu"], n * M + m, expected(x, n, u, m));
    for (std::int64_t m = 0; m < M2; ++m) check(b["yv"], n * M2 + m, expected(x, n, v, m));
  }
}

/// silu(x · u) · (x · v), in blocks and as it is, of rows that have zeros, tiny numbers, infinities and no numbers.
void check_own_blocks(const kir::Target& target, DType dtype, std::int64_t N, std::int64_t most) {
  const std::int64_t K = 256, M = 64;
  std::vector<Int8Block> x = random_int8_blocks(N * K / 32, 5);
  const float odd[] = {0, 0x1p-70f, 0x1p-50f, 0x1p126f, std::numeric_limits<float>::quiet_NaN()};
  for (std::int64_t n = 3; n < std::min<std::int64_t>(N, 8); ++n)
    for (std::int64_t b = 0; b < K / 32; ++b) {
      Int8Block& block = x[static_cast<std::size_t>(n * K / 32 + b)];
      block.d = odd[n - 3];
      block.d_sum = block.d * static_cast<float>(block.sum);
    }
  const Stored u(dtype, M, K, 1), v(dtype, M, K, 2);
  Product p = {.name = "p", .rows = {most, "N"}, .inner = {K}};
  p.int8 = true;
  p.siblings = Product::Siblings::zipped;
  p.weights = {{.name = "u", .dtype = dtype, .columns = {M}, .layout = Layout::panel16},
               {.name = "v", .dtype = dtype, .columns = {M}, .layout = Layout::panel16}};
  REQUIRE(stores_int8_rows(target, p));
  const auto product_of = [](std::span<const ScalarExpr> o) { return o[0] * o[1]; };
  Pointwise tail = {.axes = {p.rows, {M}}, .given = {DType::f32, DType::f32}};
  tail.steps = {{.name = "y", .function = product_of, .operands = {0, 1}, .dtype = DType::f32}};
  tail.outputs = {{"y", DType::f32, 2}, {"y_int8", DType::i32, 2, true}};
  p.tails = {tail};
  Buffers b = {{"x", int8_data(x)},
               {"u", panels(u)},
               {"v", panels(v)},
               {"y", Data(DType::f32, N * M)},
               {"y_int8", int8_room(N * M / 32)}};
  run(product(target, p), b, {{"N", N}});
  Buffers alone = {{"y", b["y"]}, {"blocks", int8_room(N * M / 32)}};
  run(to_int8({.lanes = 1}, {.name = "to_int8", .of = "y", .to = "blocks", .rows = {N}, .width = {M}}), alone);
  const auto got = b["y_int8"].bytes(), want = alone["blocks"].bytes();
  CHECK(std::equal(got.begin(), got.end(), want.begin(), want.end()));
  std::size_t no_numbers = 0, zeros = 0;
  for (const Int8Block& block : int8_blocks(b["y_int8"])) {
    no_numbers += std::isnan(block.d);
    zeros += block.d == 0;
  }
  CHECK((no_numbers > 0) == (N > 6));
  CHECK((zeros > 0) == (N > 3));
}

}  // namespace

TEST_CASE("rows become 8-bit blocks: every dtype, blocks of zeros and of one number, ends, signs") {
  for (const kir::Target& target : targets()) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      check_int8(target, dtype, 3, 96, noise(3 * 96));
      check_int8(target, dtype, 1, 576, noise(576, 4), false);
    }
    std::vector<double> x(32 * 6);
    for (std::size_t j = 0; j < 32; ++j) {
      x[32 + j] = -0.0;
      x[64 + j] = j % 2 == 0 ? 3.5 : -3.5;                    // all at ±127
      x[96 + j] = j == 9 ? -1e30 : static_cast<double>(j);    // all others vanish
      x[128 + j] = static_cast<double>(j) - 15.5;             // halves: ties
      x[160 + j] = (static_cast<double>(j) - 31) * 127 / 31;  // whole numbers and thirds
    }
    check_int8(target, DType::f32, 2, 96, x);
    check_int8(target, DType::f32, 0, 32, {});
  }
}

TEST_CASE("8-bit blocks by as many lanes as a block has elements") {
  if (!on_a_device()) check_int8({.lanes = 32}, DType::f32, 3, 192, noise(3 * 192));
}

TEST_CASE("8-bit blocks of what is too small, and of what is no number") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const kir::Target& target : targets()) {
    std::vector<double> x = noise(32 * 6);
    for (std::size_t j = 0; j < 32; ++j) x[j] *= 0x1p-130;   // denormals
    for (std::size_t j = 32; j < 64; ++j) x[j] *= 0x1p-101;  // below the smallest block
    for (std::size_t j = 64; j < 96; ++j) x[j] *= 0x1p-98;   // above it
    x[96 + 31] = nan;
    x[128] = -inf;
    for (std::size_t j = 160; j < 192; ++j) x[j] *= 0x1.fffffep127;  // the largest numbers
    check_int8(target, DType::f32, 1, 192, x);
  }
}

TEST_CASE("a norm writes its result and its 8-bit blocks") {
  for (const kir::Target& target : targets())
    for (const bool layer : {false, true})
      for (const std::int64_t width : {32, 576}) {
        Norm what = {.rows = {1 << 16, "rows"}, .width = {width}};
        what.centred = layer;
        if (layer) what.b = DType::f32;
        what.int8 = "blocks";
        Buffers b = {{"x", Data(DType::f32, noise(3 * width))},
                     {"w", Data(DType::f32, noise(width, 2))},
                     {"b", Data(DType::f32, noise(width, 3))},
                     {"y", Data(DType::f32, 3 * width)},
                     {"blocks", int8_room(3 * width / 32)}};
        run(norm(target, "norm", what), b, {{"rows", 3}});
        const std::vector<double> y = b["y"].values();
        const std::vector<Int8Block> blocks = int8_blocks(b["blocks"]);
        for (std::size_t i = 0; i < blocks.size(); ++i) check_int8_block(blocks[i], y.data() + i * 32);
        what.only_int8 = true;
        Buffers alone = {{"x", b["x"]}, {"w", b["w"]}, {"b", b["b"]}, {"blocks", int8_room(3 * width / 32)}};
        run(norm(target, "norm", what), alone, {{"rows", 3}});
        CHECK(alone["blocks"].values() == b["blocks"].values());
      }
}

TEST_CASE("integer products: each format with bytes, one block and several, rows around the tile of eight") {
  for (const kir::Target& target : dot_targets()) {
    for (const DType dtype : block_dtypes()) {
      if (!has_byte_code(dtype)) continue;
      const std::int64_t size = block_code(dtype).size;
      if (!few_shaders() || dtype == DType::q4_1) check_product(target, dtype, 1, size, 5, Layout::rows, 1);
      check_product(target, dtype, 3, (size == 32 ? 5 : 2) * size, 3);
    }
    for (const std::int64_t N : few_shaders() ? std::vector<std::int64_t>{9} : std::vector<std::int64_t>{8, 9, 17})
      check_product(target, DType::q4_1, N, 96, 9);
  }
}

TEST_CASE("integer products of panels: each format, one row, tiles and what is left over") {
  std::vector<kir::Target> all = dot_targets();
  if (!few_shaders())
    all.push_back({.lanes = 16, .dot4 = kir::Dot4::us, .fast_fma = true, .tuned = {{"outer_rows", 16}}});
  for (const kir::Target& target : all)
    for (const DType dtype :
         {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k}) {
      if (!is_looked_at(dtype)) continue;
      const std::int64_t size = block_code(dtype).size;
      if (on_a_device() && size == 256 && (dtype != DType::q4_k || &target != &all.front())) continue;
      check_product(target, dtype, 1, size == 32 ? 96 : size, 32, Layout::panel16, 1);
      if (few_shaders() && dtype != DType::q8_0 && dtype != DType::q4_k) continue;
      check_product(target, dtype, 5, 2 * size, 16, Layout::panel16);
      if (!few_shaders() && (dtype == DType::q4_1 || dtype == DType::q8_0))
        check_product(target, dtype, 21, 32, 16, Layout::panel16);
      if (on_a_device() && dtype != DType::q8_0) continue;
      for (const std::int64_t N :
           kFewer == 1 && !few_shaders() ? std::vector<std::int64_t>{1, 2, 7, 8} : std::vector<std::int64_t>{7})
        check_product(target, dtype, N, size, 16, Layout::panel16, 8);
    }
}

/// Where sums do not fit what a kernel keeps them in the interpreter stops.
TEST_CASE("integer products of panels: the largest quants of each format by the largest of x, of one sign") {
  if (few_shaders()) return;
  std::vector<kir::Target> all = dot_targets();
  for (const int lanes : {8, 16})
    for (const int depth : {0, 256})
      all.push_back(
          {.lanes = lanes, .dot4 = kir::Dot4::us_sat16, .tuned = {{"outer_rows", 8}, {"outer_depth", depth}}});
  for (const kir::Target& target : all)
    for (const DType dtype :
         {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k})
      for (const int x_quant : {127, -127})
        for (const std::int64_t most : {1, 64})
          for (const int byte :
               dtype == DType::q8_0 || dtype == DType::q6_k ? std::vector{0xff, 0x80} : std::vector{0xff}) {
            INFO(name(dtype) << ": " << byte << " by " << x_quant << ", " << most << " rows, dot4 " << name(target.dot4)
                             << ", " << target.lanes << " lanes");
            const std::int64_t K = 256, M = 32, N = std::min<std::int64_t>(most, 9);
            std::vector<Int8Block> x = random_int8_blocks(N * K / 32, 7);
            for (Int8Block& b : x) {
              std::fill(std::begin(b.qs), std::end(b.qs), static_cast<std::int8_t>(x_quant));
              b.sum = 32 * x_quant, b.first_sum = 16 * x_quant;
              b.d_sum = b.d * static_cast<float>(b.sum);
            }
            Stored w(dtype, M, K, 12);
            w.set_bytes(static_cast<std::uint8_t>(byte));
            check_products(target, x, w, most == 1 ? Extent{1} : Extent{most, "N"}, N, Layout::panel16);
          }
}

TEST_CASE("panels side by side: each format, decoded once or not, rests of rows; odd panels stay alone") {
  if (few_shaders()) return;  // 16 lanes: interpreted, as in kernels_tests
  const kir::Target wide = {.lanes = 16,
                            .dot4 = kir::Dot4::us,
                            .fast_fma = true,
                            .tuned = {{"outer_rows", 16}, {"outer_panels", 2}, {"outer_chunk", 24}}};
  std::vector<kir::Target> all = {wide, wide};
  all[1].tuned["outer_depth"] = 96;
  if (!on_a_device()) {
    all.push_back({.lanes = 8,
                   .dot4 = kir::Dot4::us_sat16,
                   .tuned = {{"outer_rows", 6}, {"outer_panels", 3}, {"outer_depth", 256}}});
    all.push_back({.lanes = 8,
                   .dot4 = kir::Dot4::us_sat16,
                   .tuned = {{"outer_rows", 8}, {"outer_depth", 96}, {"outer_chunk", 24}}});
    all.push_back({.lanes = 4, .dot4 = kir::Dot4::ss, .tuned = {{"outer_rows", 16}, {"outer_depth", 256}}});
    all.push_back({.lanes = 32, .subgroups = 2, .dot4 = kir::Dot4::ss, .tuned = {{"outer_panels", 2}}});
  }
  for (const kir::Target& target : all) {
    const int panels = target.tuned_or("outer_panels", 1);
    for (const DType dtype :
         {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k}) {
      if (!is_looked_at(dtype)) continue;
      const std::int64_t K = block_code(dtype).size == 32 ? 96 : 256;
      const std::int64_t M = std::int64_t{panels} * std::max(target.lanes, 16) * target.subgroups;
      for (const std::int64_t N : {3, 8, 29}) check_product(target, dtype, N, K, 2 * M, Layout::panel16);
      for (const std::int64_t N : {5, 8}) check_product(target, dtype, N, K, 2 * M, Layout::panel16, 8);
      check_product(target, dtype, 9, K, M + 16, Layout::panel16);
    }
  }
}

TEST_CASE("eight rows at once take panels side by side of weights below a byte, fewer rows none") {
  const kir::Target target = {
      .lanes = 16, .dot4 = kir::Dot4::us, .fast_fma = true, .tuned = {{"outer_rows", 16}, {"outer_panels", 2}}};
  const auto takes_two = [&](DType dtype, std::int64_t most) {
    Product p = {.name = "p", .rows = {most, "N"}, .inner = {512}};
    p.int8 = true;
    p.weights = {{.name = "w", .dtype = dtype, .columns = {64}, .layout = Layout::panel16}};
    p.tails = {{.axes = {p.rows, {64}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
    return product(target, p).reason.find("by 2 panels") != std::string::npos;
  };
  CHECK(takes_two(DType::q4_0, 8));
  CHECK(takes_two(DType::q6_k, 8));
  CHECK_FALSE(takes_two(DType::q8_0, 8));
  CHECK_FALSE(takes_two(DType::q4_0, 7));
  CHECK(takes_two(DType::q8_0, 9));
}

TEST_CASE("the vectors of a panel meet each x at once, in integers; in f32 one after the other") {
  const kir::Target target = {.lanes = 8, .dot4 = kir::Dot4::us_sat16, .tuned = {{"outer_rows", 8}}};
  for (const bool int8 : {true, false}) {
    Product p = {.name = "p", .rows = {64, "N"}, .inner = {512}};
    p.int8 = int8;
    p.weights = {{.name = "w", .dtype = DType::q4_0, .columns = {64}, .layout = Layout::panel16}};
    p.tails = {{.axes = {p.rows, {64}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
    CHECK_THAT(product(target, p).reason, Catch::Contains(int8 ? "tiles of 4, 2, 1 rows" : "tiles of 8, 4, 1 rows"));
  }
}

TEST_CASE("a row's bits depend neither on how many rows there are nor on which panels stand beside its own") {
  if (few_shaders()) return;  // as above
  const std::int64_t N = 30, K = 512, M = 64;
  for (const DType dtype : {DType::q4_1, DType::q8_0, DType::q4_k, DType::q6_k}) {
    const std::vector<Int8Block> x = random_int8_blocks(N * K / 32, 9);
    const Stored w(dtype, M, K, 3);
    const auto y = [&](int side_by_side, std::int64_t rows, std::int64_t most, int depth = 0, int lanes = 16) {
      const kir::Target target = {
          .lanes = lanes,
          .dot4 = kir::Dot4::us,
          .fast_fma = true,
          .tuned = {{"outer_rows", 16}, {"outer_panels", side_by_side}, {"outer_depth", depth}}};
      Product p = {.name = "p", .rows = most == 1 ? Extent{1} : Extent{most, "N"}, .inner = {K}};
      p.int8 = true;
      p.weights = {{.name = "w", .dtype = dtype, .columns = {M}, .layout = Layout::panel16}};
      p.tails = {{.axes = {p.rows, {M}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
      Buffers b = {{"x", int8_data({x.begin(), x.begin() + rows * K / 32})},
                   {"w", panels(w)},
                   {"y", Data(DType::f32, rows * M)}};
      run(product(target, p), b, {{"N", rows}});
      std::vector<double> got;
      for (std::int64_t i = 0; i < rows * M; ++i) got.push_back(b["y"][i]);
      return got;
    };
    const std::vector<double> all = y(1, N, 1 << 16);
    INFO(name(dtype));
    CHECK(y(2, N, 1 << 16) == all);
    CHECK(y(2, N, 1 << 16, 96) == all);
    CHECK(y(2, 7, 1 << 16) == std::vector<double>(all.begin(), all.begin() + 7 * M));
    CHECK(y(2, 7, 8) == std::vector<double>(all.begin(), all.begin() + 7 * M));
    CHECK(y(2, 8, 8, 96) == std::vector<double>(all.begin(), all.begin() + 8 * M));
    CHECK(y(2, 1, 1) == std::vector<double>(all.begin(), all.begin() + M));
    if (on_a_device()) continue;  // of sixteen lanes
    for (const int depth : {0, 96}) CHECK(y(1, N, 1 << 16, depth, 8) == all);
    CHECK(y(1, 8, 8, 0, 8) == std::vector<double>(all.begin(), all.begin() + 8 * M));
    CHECK(y(1, 1, 1, 0, 8) == std::vector<double>(all.begin(), all.begin() + M));
  }
}

TEST_CASE("a product's own 8-bit blocks are bit for bit those that a kernel of their own makes of its result") {
  if (few_shaders()) return;  // as above
  const kir::Target wide = {.lanes = 16,
                            .dot4 = kir::Dot4::us,
                            .fast_fma = true,
                            .tuned = {{"outer_rows", 16}, {"outer_panels", 2}, {"outer_chunk", 24}}};
  std::vector<kir::Target> all = {wide, wide, wide, wide, wide};
  all[1].tuned["outer_depth"] = 96;
  all[2].tuned["outer_panels"] = 4;
  all[3].tuned["outer_panels"] = 1;
  all[4].tuned = {{"outer_rows", 6}, {"outer_panels", 3}};  // no blocks of three: one panel after the other
  for (const int lanes : {4, 8}) all.push_back({.lanes = lanes, .dot4 = kir::Dot4::us, .tuned = wide.tuned});
  for (const int depth : {0, 96})
    all.push_back({.lanes = 8, .dot4 = kir::Dot4::us_sat16, .tuned = {{"outer_rows", 8}, {"outer_depth", depth}}});
  for (const kir::Target& target : all)
    for (const DType dtype : {DType::q4_1, DType::q4_k})
      for (const auto& [N, most] : std::vector<std::pair<int, int>>{{1, 64}, {3, 64}, {5, 8}, {8, 64}, {29, 64}}) {
        INFO(name(dtype) << " lanes " << target.lanes << " panels " << target.tuned_or("outer_panels", 1) << " rows "
                         << N);
        check_own_blocks(target, dtype, N, most);
      }
}

TEST_CASE("every format whose quants are bytes has a byte code; codebooks have none") {
  for (const DType dtype : block_dtypes()) {
    const bool levels = dtype == DType::iq4_nl || dtype == DType::iq4_xs || dtype == DType::mxfp4;
    const bool base3 = dtype == DType::tq1_0;  // each digit of a byte is a calculation of its own
    INFO(name(dtype));
    CHECK(has_byte_code(dtype) == !(levels || base3 || needs_codebooks(dtype)));
  }
}

TEST_CASE("a block that is no number reaches every product that reads it") {
  for (const kir::Target& target : dot_targets()) {
    std::vector<Int8Block> x = random_int8_blocks(6, 3);
    x[2] = {.d = std::numeric_limits<float>::quiet_NaN(), .d_sum = std::numeric_limits<float>::quiet_NaN()};
    const Stored w(DType::q8_0, 2, 96, 1);
    Product p = {.name = "p", .rows = {2}, .inner = {96}};
    p.int8 = true;
    p.weights = {{.name = "w", .dtype = DType::q8_0, .columns = {2}}};
    p.tails = {{.axes = {{2}, {2}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
    Buffers b = {{"x", int8_data(x)}, {"w", w.data}, {"y", Data(DType::f32, 4)}};
    run(product(target, p), b);
    CHECK(std::isnan(b["y"][0]));
    CHECK(std::isnan(b["y"][1]));
    check(b["y"], 2, expected(x, 1, w, 0));
  }
}

TEST_CASE("stacked and zipped siblings share the blocks of their activations") {
  for (const kir::Target& target : dot_targets())
    for (const auto siblings : {Product::Siblings::stacked, Product::Siblings::zipped})
      check_siblings(target, siblings, Stored(DType::q4_0, 17, 64, 1),
                     Stored(DType::q8_0, siblings == Product::Siblings::stacked ? 3 : 17, 64, 2), 9, Layout::rows);
}

TEST_CASE("siblings in panels side by side, read in place and decoded once") {
  kir::Target target = {
      .lanes = 16, .dot4 = kir::Dot4::us, .fast_fma = true, .tuned = {{"outer_rows", 16}, {"outer_panels", 2}}};
  for (const int depth : {0, 96, 512})
    for (const DType dtype : {DType::q4_1, DType::q8_0, DType::q4_k})
      for (const std::int64_t N : {3, 8, 29}) {
        target.tuned["outer_depth"] = depth;
        check_siblings(target, Product::Siblings::zipped, Stored(dtype, 64, 768, 1), Stored(dtype, 64, 768, 2), N,
                       Layout::panel16);
        if (N == 29)
          check_siblings(target, Product::Siblings::stacked, Stored(dtype, 64, 768, 1), Stored(dtype, 32, 768, 2), N,
                         Layout::panel16);
      }
}
