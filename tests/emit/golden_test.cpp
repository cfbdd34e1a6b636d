// SPDX-License-Identifier: Apache-2.0
#include "golden.h"

#include "codegen/emit/cpp.h"
#include "codegen/emit/cuda.h"
#include "codegen/emit/glsl.h"
#include "codegen/kernels/int8_rows.h"
#include "codegen/kernels/product.h"
#include "examples.h"
#include "tests/source_path.h"

using namespace openinfer;
using namespace openinfer::kernels;
using openinfer::emit::check_golden;

namespace {

std::vector<Example> examples(const kir::Target& target) {
  return {chain(target), rms_norm(target), matvec(target, DType::q8_0, 1, 576, 192),
          matvec(target, DType::q4_k, 3, 512, 192)};
}

/// What fast products are: activations in blocks of 8 bits, and a product of them.
std::vector<kir::Kernel> int8_kernels(kir::Target target, kir::Dot4 dot4) {
  target.dot4 = dot4;
  Product p = {.name = "matvec_q4_1_int8", .of = "x_int8", .rows = {1}, .inner = {576}};
  p.int8 = true;
  p.weights = {{.name = "w", .dtype = DType::q4_1, .columns = {192}}};
  p.tails = {{.axes = {{1}, {192}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  const ToInt8 to = {.name = "to_int8", .of = "x", .to = "x_int8", .rows = {1}, .width = {576}};
  return {to_int8(target, to).kernel, product(target, p).kernel};
}

}  // namespace

TEST_CASE("GLSL is what was reviewed") {
  for (const Example& e : examples({.lanes = 8, .subgroups = 4, .exact_division = false}))
    check_golden(e.made.kernel.name + ".comp", emit::render_glsl(e.made.kernel));
  const kir::Target target = {.lanes = 8, .subgroups = 4, .exact_division = false};
  for (const kir::Kernel& k : int8_kernels(target, kir::Dot4::ss)) check_golden(k.name + ".comp", emit::render_glsl(k));
}

TEST_CASE("CUDA is what was reviewed") {
  for (const Example& e : examples({.lanes = 32, .subgroups = 4}))
    check_golden(e.made.kernel.name + ".cu", emit::cuda_source(e.made.kernel));
  for (const kir::Kernel& k : int8_kernels({.lanes = 32, .subgroups = 4}, kir::Dot4::ss))
    check_golden(k.name + ".cu", emit::cuda_source(k));
}

TEST_CASE("C++ is what was reviewed") {
  for (const Example& e : examples({.lanes = 16}))
    check_golden(e.made.kernel.name + ".cpp", emit::cpp_records(e.made.kernel) + emit::render_cpp(e.made.kernel));
  Product panels = {.name = "panels_q8_0_int8", .of = "x_int8", .rows = {1 << 16, "N"}, .inner = {576}};
  panels.int8 = true;
  panels.weights = {{.name = "w", .dtype = DType::q8_0, .columns = {192}, .layout = Layout::panel16}};
  panels.tails = {{.axes = {panels.rows, {192}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  const kir::Target wide = {.lanes = 16, .dot4 = kir::Dot4::us, .fast_fma = true, .tuned = {{"outer_rows", 16}}};
  std::vector<kir::Kernel> kernels = int8_kernels({.lanes = 16}, kir::Dot4::us);
  kernels.push_back(product(wide, panels).kernel);
  kir::Target side_by_side = wide;
  side_by_side.tuned["outer_panels"] = 2;
  panels.name = "panels_q4_1_int8_side_by_side", panels.weights[0].dtype = DType::q4_1;
  kernels.push_back(product(side_by_side, panels).kernel);
  panels.name = "panels_q4_1_int8_blocks", panels.rows = {8};
  const std::vector<Pointwise> plain = panels.tails;
  panels.tails = {{.axes = {{8}, {192}}, .given = {DType::f32}, .outputs = {{"y_int8", DType::i32, 0, true}}}};
  kernels.push_back(product(side_by_side, panels).kernel);
  panels.rows = {1 << 16, "N"}, panels.tails = plain;
  side_by_side.tuned["outer_depth"] = 512;
  panels.name = "panels_q4_k_int8_decoded_once", panels.weights[0].dtype = DType::q4_k, panels.inner = {768};
  kernels.push_back(product(side_by_side, panels).kernel);
  panels.name = "panels_q4_k_int8", panels.rows = {1}, panels.inner = {512};
  panels.tails[0].axes[0] = {1};
  kernels.push_back(product(wide, panels).kernel);
  panels.name = "panels_q4_0_int8_pairs", panels.weights[0].dtype = DType::q4_0, panels.rows = {8, "N"};
  panels.tails[0].axes[0] = panels.rows;
  kernels.push_back(
      product({.lanes = 8, .dot4 = kir::Dot4::us_sat16, .fast_fma = true, .tuned = {{"outer_rows", 8}}}, panels)
          .kernel);
  Product columns = {.name = "columns_f16_pairs", .of = "x_bf16", .x = DType::bf16, .rows = {8, "N"}, .inner = {576}};
  columns.bf16 = true;
  columns.weights = {{.name = "w", .dtype = DType::f16, .columns = {192}}};
  columns.tails = {{.axes = {columns.rows, {192}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  kernels.push_back(product({.lanes = 16, .bf16_dot = true, .fast_fma = true}, columns).kernel);
  columns.name = "columns_f16", columns.of = "x", columns.x = DType::f32, columns.bf16 = false;
  kernels.push_back(product({.lanes = 8, .fast_fma = true, .tuned = {{"few_rows_at_once", 4}}}, columns).kernel);
  for (const kir::Kernel& k : kernels) check_golden(k.name + ".cpp", emit::cpp_records(k) + emit::render_cpp(k));
}
