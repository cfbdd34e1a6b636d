// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/attention.h"
#include "codegen/kernels/block_code.h"
#include "codegen/kernels/int8_rows.h"
#include "codegen/kernels/pointwise.h"
#include "codegen/kernels/product.h"
#include "tests/emit/cases.h"
#include "tests/kernels/stored.h"

namespace openinfer::emit {
namespace {

using namespace openinfer::kernels;
using Exprs = std::span<const ScalarExpr>;

constexpr std::int64_t kRows = 3, kColumns = 11;

std::vector<std::byte> data(DType dtype, std::int64_t elements, std::uint32_t seed) {
  const auto bytes = static_cast<std::size_t>(elements / info(dtype).block_size * info(dtype).block_bytes);
  if (has_block_code(dtype)) return random_bytes(bytes, seed);
  std::vector<double> values;
  for (const float x : noise(static_cast<std::size_t>(elements), seed)) values.push_back(x);
  return in_memory(memory_kind(dtype), values);
}

int groups_of(const TemplateKernel& t, std::int64_t param) {
  std::int64_t groups = 1;
  for (const GridFactor& f : t.grid) groups *= ((f.extent.known() ? f.extent.value : param) + f.divide - 1) / f.divide;
  return static_cast<int>(groups);
}

/// y = x · W, for one weight format, plain tail.
Case product_case(const kir::Target& target, DType weight, std::int64_t K, std::int64_t rows, bool by_rows = true) {
  Product p;
  p.name = fmt::format("product_{}_{}{}", name(weight), rows, by_rows ? "" : "_columns");
  p.rows = rows == 1 ? Extent{1} : Extent{kRows, "N"};
  p.inner = {K};
  p.weights = {{.name = "w", .dtype = weight, .columns = {kColumns}, .by_rows = by_rows, .bias = "bias"}};
  Pointwise tail;
  tail.axes = {p.rows, {kColumns}};
  tail.given = {DType::f32};
  tail.outputs = {{"y", DType::f32, 0}};
  p.tails = {tail};
  TemplateKernel t = product(target, p);
  Run run = {.memory = {data(DType::f32, rows * K, 1), data(weight, kColumns * K, 2), data(DType::f32, kColumns, 3),
                        data(DType::f32, rows * kColumns, 4)},
             .groups = groups_of(t, rows)};
  for (std::size_t i = 0; i < t.kernel.buffers.size(); ++i)  // all are global
    if (t.kernel.buffers[i].name == kCodebooks)
      run.memory.insert(run.memory.begin() + static_cast<std::ptrdiff_t>(i), codebook_data().bytes());
  if (!t.kernel.params.empty()) run.params = {static_cast<std::int32_t>(rows)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// The same of weights in panels: rows of x enough for tiles of every height.
Case panel_case(kir::Target target, DType weight, std::int64_t rows, bool fast_fma) {
  constexpr std::int64_t kPanelColumns = 48;
  const std::int64_t K = block_code(weight).size == 32 ? 96 : 256;
  target.fast_fma = fast_fma;
  target.tuned["outer_rows"] = 8;
  Product p;
  p.name = fmt::format("product_panels_{}_{}{}", name(weight), rows, fast_fma ? "_fma" : "");
  p.rows = rows == 1 ? Extent{1} : Extent{rows, "N"};
  p.inner = {K};
  p.weights = {{.name = "w", .dtype = weight, .columns = {kPanelColumns}, .layout = Layout::panel16}};
  p.tails = {{.axes = {p.rows, {kPanelColumns}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  TemplateKernel t = product(target, p);
  // Anything is a panel whose bytes are below 0x40: its halves are numbers from 0 to 2.
  Run run = {.memory = {data(DType::f32, rows * K, 1), data(weight, kPanelColumns * K, 2),
                        data(DType::f32, rows * kPanelColumns, 4)},
             .groups = groups_of(t, rows)};
  if (!t.kernel.params.empty()) run.params = {static_cast<std::int32_t>(rows)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// Weights decoded, or rows turned, into tiles: more columns and k than one tile has, rows of x that fill none.
Case tiles_case(kir::Target target, DType weight, bool fast_fma) {
  constexpr std::int64_t kTileColumns = 80, kTileRows = 45, K = 256;
  target.fast_fma = fast_fma;
  target.tuned = {{"tile_depth", 96}, {"tile_panels", 2}, {"tile_rows", 6}, {"outer_chunk", 20}};
  Product p;
  p.name = fmt::format("product_tiles_{}{}", name(weight), fast_fma ? "_fma" : "");
  p.rows = {1 << 16, "N"};
  p.inner = {K};
  const Layout layout = is_block(weight) ? Layout::panel16 : Layout::rows;
  p.weights = {{.name = "w", .dtype = weight, .columns = {kTileColumns}, .layout = layout}};
  p.tails = {{.axes = {p.rows, {kTileColumns}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  TemplateKernel t = product(target, p);
  Run run = {.memory = {data(DType::f32, kTileRows * K, 1), data(weight, kTileColumns * K, 2),
                        data(DType::f32, kTileRows * kTileColumns, 4)},
             .params = {static_cast<std::int32_t>(kTileRows)},
             .groups = groups_of(t, kTileRows)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// The same by pairs of bf16: as many rows as there may be up to `most`.
Case pairs_case(kir::Target target, DType weight, std::int64_t most, std::int64_t rows, std::int64_t K,
                std::int64_t columns) {
  const std::int64_t stride = bf16_stride(K);
  target.fast_fma = target.bf16_dot = true;
  target.tuned = {{"tile_depth", 96}, {"tile_panels", 2}, {"tile_rows", 6}, {"outer_chunk", 20}};
  Product p;
  p.name = fmt::format("product_pairs_{}_{}", rows, name(weight));
  p.x = DType::bf16;
  p.bf16 = true;
  p.rows = {most, "N"};
  p.inner = {K};
  const Layout layout = is_block(weight) ? Layout::panel16 : Layout::rows;
  p.weights = {{.name = "w", .dtype = weight, .columns = {columns}, .layout = layout}};
  p.tails = {{.axes = {p.rows, {columns}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  TemplateKernel t = product(target, p);
  Run run = {.memory = {data(DType::bf16, (rows + kBf16SpareRows) * stride, 1), data(weight, columns * K, 2),
                        data(DType::f32, rows * columns, 4)},
             .params = {static_cast<std::int32_t>(rows)},
             .groups = groups_of(t, rows)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// x (rows, width) to 8-bit blocks.
Case int8_case(const kir::Target& target, std::int64_t width) {
  TemplateKernel t = to_int8(
      target, {.name = fmt::format("to_int8_{}", width), .of = "x", .to = "y", .rows = {kRows}, .width = {width}});
  const std::int64_t blocks = kRows * width / kInt8Block;
  return {.kernel = t.kernel,
          .runs = {{.memory = {data(DType::f32, kRows * width, 1), data(DType::i32, blocks * kInt8BlockWords, 2)},
                    .groups = groups_of(t, kRows)}}};
}

/// y = x · W in integers, x in 8-bit blocks of any bytes but -128.
Case int8_product_case(kir::Target target, kir::Dot4 dot4, DType weight, std::int64_t rows) {
  constexpr std::int64_t K = 512;
  target.dot4 = dot4;
  Product p;
  p.name = fmt::format("product_int8_{}_{}_{}", name(weight), rows, name(dot4));
  p.rows = {rows};
  p.inner = {K};
  p.int8 = true;
  p.weights = {{.name = "w", .dtype = weight, .columns = {kColumns}}};
  p.tails = {{.axes = {p.rows, {kColumns}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  TemplateKernel t = product(target, p);
  std::vector<std::byte> x = random_bytes(static_cast<std::size_t>(rows * K / kInt8Block * kInt8BlockWords * 4), 3);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (i % 48 >= 16 && i % 3 == 0) x[i] ^= std::byte{0xff};  // signs of quants; scales stay small numbers
  Run run = {.memory = {std::move(x), data(weight, kColumns * K, 2), data(DType::f32, rows * kColumns, 4)},
             .groups = groups_of(t, rows)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// The same of panels where dots have sums of 16 bits on the way.
Case int8_panels_case(kir::Target target, DType weight, std::int64_t rows) {
  constexpr std::int64_t K = 256, M = 32;
  target.dot4 = kir::Dot4::us_sat16;
  target.tuned = {{"outer_rows", 8}, {"outer_depth", 256}};
  Product p;
  p.name = fmt::format("product_int8_panels_{}_{}", name(weight), rows);
  p.rows = {rows};
  p.inner = {K};
  p.int8 = true;
  p.weights = {{.name = "w", .dtype = weight, .columns = {M}, .layout = Layout::panel16}};
  p.tails = {{.axes = {p.rows, {M}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  TemplateKernel t = product(target, p);
  std::vector<std::byte> x = random_bytes(static_cast<std::size_t>(rows * K / kInt8Block * kInt8BlockWords * 4), 3);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (i % 48 >= 16 && i % 3 == 0) x[i] ^= std::byte{0xff};  // as above
  Run run = {.memory = {std::move(x), data(weight, M * K, 2), data(DType::f32, rows * M, 4)},
             .groups = groups_of(t, rows)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// Some rows of f32 by rows of floats.
Case few_rows_case(kir::Target target, DType weight, std::int64_t most, std::int64_t rows, std::int64_t K,
                   std::int64_t columns) {
  target.fast_fma = true;
  target.tuned = {{"few_rows_at_once", 4}};
  Product p;
  p.name = fmt::format("product_few_{}_{}_{}", rows, columns, name(weight));
  p.rows = {most, "N"};
  p.inner = {K};
  p.weights = {{.name = "w", .dtype = weight, .columns = {columns}}};
  p.tails = {{.axes = {p.rows, {columns}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  TemplateKernel t = product(target, p);
  Run run = {
      .memory = {data(DType::f32, rows * K, 1), data(weight, columns * K, 2), data(DType::f32, rows * columns, 4)},
      .params = {static_cast<std::int32_t>(rows)},
      .groups = groups_of(t, rows)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// x · W of panels side by side, in 8-bit blocks: whole tiles of rows and what is left behind them.
Case int8_blocks_case(kir::Target target, std::int64_t rows) {
  constexpr std::int64_t K = 96, M = 64;
  target.dot4 = kir::Dot4::us;
  target.tuned = {{"outer_rows", 16}, {"outer_panels", 2}};
  Product p;
  p.name = fmt::format("product_int8_blocks_{}", rows);
  p.rows = {64, "N"};
  p.inner = {K};
  p.int8 = true;
  p.weights = {{.name = "w", .dtype = DType::q8_0, .columns = {M}, .layout = Layout::panel16}};
  p.tails = {{.axes = {p.rows, {M}}, .given = {DType::f32}, .outputs = {{"y", DType::i32, 0, true}}}};
  TemplateKernel t = product(target, p);
  std::vector<std::byte> x = random_bytes(static_cast<std::size_t>(rows * K / kInt8Block * kInt8BlockWords * 4), 3);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (i % 48 >= 16 && i % 3 == 0) x[i] ^= std::byte{0xff};  // as above
  Run run = {
      .memory = {std::move(x), data(DType::q8_0, M * K, 2), data(DType::i32, rows * M / 32 * kInt8BlockWords, 4)},
      .groups = groups_of(t, rows)};
  run.params = {static_cast<std::int32_t>(rows)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// Rows at the end and near the start of a cache in f16, in parts of their keys.
Case attention_case(kir::Target target) {
  constexpr std::int64_t D = 32, C = 300;
  target.core_cache = target.fast_fma = true;
  kernels::Attention what = {.name = "attention", .rows = {2}, .keys = {C}, .slots = {1}};
  what.kv = DType::f16;
  what.heads = 6, what.kv_heads = 2, what.head_dim = D;
  what.has_pos = true;
  what.scale = 0.2, what.softcap = 5;
  TemplateKernel t = attention_parts(target, what);
  const std::int64_t parts = 2 * what.heads * attention_parts_of(target);
  Run run = {.memory = {data(DType::f32, 2 * 6 * D, 1), data(DType::f16, 2 * C * D, 2), data(DType::f16, 2 * C * D, 3),
                        in_memory(kir::Kind::i32, {C - 7, 20}), data(DType::f32, parts * D, 4),
                        data(DType::f32, parts * 2, 5)},
             .groups = groups_of(t, 2)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// A prompt over a cache in f16, in pairs of bf16 or not: a block of lines and part of one, keys behind a tile.
Case prompt_attention_case(kir::Target target, bool pairs, std::int64_t window) {
  constexpr std::int64_t D = 32, C = 80, kPrompt = 21, kHeads = 4;
  target.core_cache = target.fast_fma = true;
  target.bf16_dot = pairs;
  kernels::Attention what = {.name = fmt::format("attention_{}_{}", pairs ? "pairs" : "tiles", window),
                             .rows = {512, "N"},
                             .keys = {C},
                             .slots = {1}};
  what.kv = DType::f16;
  what.heads = kHeads, what.kv_heads = 2, what.head_dim = D;
  what.has_pos = true, what.bf16 = pairs;
  what.scale = 0.2, what.window = window;
  TemplateKernel t = attention(target, what);
  std::vector<std::int32_t> pos;
  for (int n = 0; n < kPrompt; ++n) pos.push_back(n + 50);
  Run run = {.memory = {data(DType::f32, kPrompt * kHeads * D, 1), data(DType::f16, 2 * C * D, 2),
                        data(DType::f16, 2 * C * D, 3), in_memory(kir::Kind::i32, {pos.begin(), pos.end()}),
                        data(DType::f32, kPrompt * kHeads * D, 4)},
             .params = {kPrompt},
             .groups = groups_of(t, kPrompt)};
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

/// Every scalar function on one broadcast operand, rows shorter than a chunk.
Case functions_case(const kir::Target& target) {
  Pointwise p;
  p.axes = {{kRows, "N"}, {37}};
  p.inputs = {
      {"x", DType::f32, {true, true}}, {"scale", DType::f16, {false, true}}, {"shift", DType::f32, {false, false}}};
  const auto scaled = [](Exprs v) { return v[0] * v[1] + v[2]; };
  p.steps = {{"scaled", scaled, {0, 1, 2}, DType::f32}};
  for (const std::string_view f : {"exp", "tanh", "erf", "sigmoid", "sin", "cos", "rsqrt", "log", "sqrt"}) {
    const auto apply = [f](Exprs v) { return ScalarExpr::call(std::string(f), {v[0]}); };
    p.outputs.push_back({fmt::format("y_{}", f), DType::f32, static_cast<int>(p.inputs.size() + p.steps.size())});
    p.steps.push_back({fmt::format("{}_of", f), apply, {3}, DType::f32});
  }
  TemplateKernel t = pointwise(target, "scalar_functions", p);
  Run run = {.memory = {data(DType::f32, kRows * 37, 1), data(DType::f16, 37, 2), data(DType::f32, 1, 3)},
             .params = {kRows},
             .groups = groups_of(t, kRows)};
  for (std::size_t i = 0; i < p.outputs.size(); ++i) run.memory.push_back(data(DType::f32, kRows * 37, 9));
  return {.kernel = std::move(t.kernel), .runs = {std::move(run)}};
}

}  // namespace

std::vector<Case> prompt_attention_cases(const kir::Target& target) {
  std::vector<Case> cases;
  for (const bool pairs : {false, true})
    for (const std::int64_t window : {0, 60}) cases.push_back(prompt_attention_case(target, pairs, window));
  return cases;
}

std::vector<Case> template_cases(const kir::Target& target) {
  std::vector<Case> cases = {functions_case(target)};
  kir::Target by_fma = target;
  by_fma.exp_by_fma = true;
  cases.push_back(functions_case(by_fma));
  cases.back().kernel.name += "_by_fma";
  if (target.lanes >= 4) cases.push_back(attention_case(target));
  if (target.lanes == 16) cases.push_back(prompt_attention_case(target, true, 60));
  for (int code = static_cast<int>(DType::q4_0); code <= static_cast<int>(DType::q8_k); ++code)
    if (has_block_code(static_cast<DType>(code)))
      cases.push_back(product_case(target, static_cast<DType>(code), 512, 1));
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::i8}) {
    cases.push_back(product_case(target, dtype, 37, 1));
    cases.push_back(product_case(target, dtype, 37, 3, false));
  }
  cases.push_back(product_case(target, DType::q8_0, 96, 3));
  cases.push_back(product_case(target, DType::q4_k, 512, 3));
  for (const DType dtype : {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0})
    for (const std::int64_t rows : {1, 13})
      for (const bool fast_fma : {false, true}) cases.push_back(panel_case(target, dtype, rows, fast_fma));
  for (const DType dtype : {DType::q4_k, DType::q5_k, DType::q6_k})
    for (const std::int64_t rows : {1, 5}) cases.push_back(panel_case(target, dtype, rows, true));
  if (target.subgroups == 1)
    for (const DType dtype : {DType::q4_1, DType::q8_0, DType::q6_k, DType::f16, DType::bf16})
      cases.push_back(tiles_case(target, dtype, dtype != DType::q4_1));
  if (target.subgroups == 1)
    for (const DType dtype : {DType::q4_1, DType::q8_0, DType::q5_k, DType::q6_k, DType::f16, DType::bf16, DType::f32})
      cases.push_back(pairs_case(target, dtype, 1 << 16, 45, 256, 80));
  if (target.subgroups == 1)
    for (const DType dtype : {DType::f16, DType::bf16, DType::f32})
      for (const std::int64_t K : {70, 128})  // with pairs left behind whole vectors, and without
        cases.push_back(pairs_case(target, dtype, 8, K == 70 ? 5 : 8, K, K == 70 ? 21 : 32));
  if (target.subgroups == 1)
    for (const DType dtype : {DType::f16, DType::bf16, DType::f32})
      for (const std::int64_t K : {70, 128}) cases.push_back(few_rows_case(target, dtype, 8, K == 70 ? 5 : 8, K, 26));
  cases.push_back(int8_case(target, 32));
  cases.push_back(int8_case(target, 576));
  for (const kir::Dot4 dot4 : {kir::Dot4::ss, kir::Dot4::us, kir::Dot4::us_sat16})
    for (const DType dtype : {DType::q8_0, DType::q4_1, DType::q6_k})
      cases.push_back(int8_product_case(target, dot4, dtype, dtype == DType::q4_1 ? 3 : 1));
  for (const DType dtype : {DType::q4_0, DType::q5_0, DType::q5_1, DType::q2_k, DType::q3_k, DType::q4_k, DType::q5_k})
    cases.push_back(int8_product_case(target, kir::Dot4::us, dtype, 1));
  if (target.subgroups == 1 && target.lanes <= 16)
    for (const DType dtype : {DType::q4_0, DType::q4_k, DType::q5_0})
      for (const std::int64_t rows : {1, 9}) cases.push_back(int8_panels_case(target, dtype, rows));
  if (has_int8_vectors(target) && target.lanes <= 16)
    for (const std::int64_t rows : {1, 8, 21}) cases.push_back(int8_blocks_case(target, rows));
  return cases;
}

}  // namespace openinfer::emit
