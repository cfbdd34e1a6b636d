// SPDX-License-Identifier: Apache-2.0
// Products by matrix units in the languages that have fragments: compiled and validated for every device that has them,
// run nowhere (lavapipe has none, NVRTC needs no GPU). What they compute: tests/kernels/product_mma_test.cpp.
#include <algorithm>
#include <catch2/catch.hpp>

#include "codegen/compile/nvrtc.h"
#include "codegen/compile/spirv.h"
#include "codegen/devices/devices.h"
#include "codegen/emit/cpp.h"
#include "codegen/emit/cuda.h"
#include "codegen/emit/glsl.h"
#include "codegen/emit/target.h"
#include "codegen/kernels/product_mma.h"
#include "golden.h"
#include "openinfer/error.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

constexpr std::uint32_t kCooperativeMatrixNV = 5357;  // of SPIR-V's capabilities

kir::Target with_mma(int n, int k, int subgroups = 4) {
  return {.lanes = 32, .subgroups = subgroups, .mma = MmaShape{.m = 16, .n = n, .k = k}};
}

/// y = x · W + residual for prompts, K 576; or two W side by side.
kir::Kernel product_of(const kir::Target& target, DType weights, bool zipped = false) {
  const std::int64_t K = is_block(weights) ? 768 : 570;
  Product p = {
      .name = fmt::format("matmul_{}{}", name(weights), zipped ? "_zipped" : ""), .rows = {512, "N"}, .inner = {K}};
  p.weights = {{.name = "w", .dtype = weights, .columns = {200}}};
  p.tails = {{.axes = {p.rows, {200}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  if (zipped) {
    p.weights.push_back({.name = "v", .dtype = weights, .columns = {200}});
    p.siblings = Product::Siblings::zipped;
    p.tails[0].given.push_back(DType::f32);
  }
  return mma_product(target, p).kernel;
}

std::vector<kir::Kernel> products(const kir::Target& target) {
  return {product_of(target, DType::f16), product_of(target, DType::q8_0), product_of(target, DType::q4_k),
          product_of(target, DType::q8_0, true), product_of(target, DType::q6_k, true)};
}

emit::MatrixUnits units(const char* device, const char* api) {
  return emit::matrix_units(resolve(DeviceSpec::named(device).api(api)), Numerics::fast);
}

/// NVRTC compiles products for each of the architectures that it knows; `all`: every one, in one subgroup and in four.
void check_cuda(const std::vector<std::string>& architectures, bool all) {
  const compile::Nvrtc nvrtc;
  if (!nvrtc.missing().empty()) WARN("skipped: " << nvrtc.missing());
  if (!nvrtc.missing().empty()) return;
  REQUIRE(!nvrtc.supported(architectures).empty());
  for (const int subgroups : {1, 4})
    for (const int k : {8, 16})
      for (const kir::Kernel& kernel : products(with_mma(8, k, subgroups)))
        for (const std::string& architecture : nvrtc.supported(architectures)) {
          if ((k == 16) == (architecture == "sm_75") && (!all || k == 16)) continue;  // its fragments are 16x8x8
          const bool first = architecture == "sm_75" || architecture == "sm_89";
          if (!all && !first && (subgroups == 1 || kernel.name != "matmul_q4_k")) continue;
          INFO(kernel.name << " for " << architecture << ", " << subgroups << " subgroups");
          const compile::CudaUse use = nvrtc.compile(kernel.name, emit::cuda_source(kernel), architecture).use;
          CHECK(!use.spills());
          CHECK(use.local_bytes == 0);
          CHECK(use.shared_bytes <= 36 << 10);
          CHECK(use.registers <= (subgroups == 1 ? 255 : 128));
        }
}

}  // namespace

TEST_CASE("products by matrix units compile as CUDA for every generation, without spills") {
  check_cuda({"sm_75", "sm_89", "sm_90a", "sm_100a", "sm_120a"}, false);
}
TEST_CASE("products by matrix units compile as CUDA for every architecture, without spills", "[.every_build]") {
  check_cuda(compile::cuda_architectures(), true);
}

TEST_CASE("products by matrix units are valid SPIR-V with NVIDIA's cooperative matrices") {
  if (!compile::has_spirv()) WARN("skipped: this build has no GLSL compiler");
  if (!compile::has_spirv()) return;
  for (const int subgroups : {1, 4})
    for (const kir::Kernel& kernel : products(with_mma(16, 16, subgroups))) {
      INFO(kernel.name << ", " << subgroups << " subgroups");
      const auto capabilities = compile::capabilities(compile::compile_glsl(kernel.name, emit::render_glsl(kernel)));
      CHECK(std::count(capabilities.begin(), capabilities.end(), kCooperativeMatrixNV) == 1);
    }
}

TEST_CASE("products by matrix units are what was reviewed") {
  emit::check_golden("matmul_mma.cu", emit::cuda_source(product_of(with_mma(8, 16), DType::q8_0)));
  emit::check_golden("matmul_mma.comp", emit::render_glsl(product_of(with_mma(16, 16), DType::q8_0)));
}

TEST_CASE("languages and shapes without fragments say so") {
  CHECK_THROWS_WITH(emit::render_cpp(product_of(with_mma(8, 16, 1), DType::f16), emit::CppLinkage::cpp),
                    Catch::Contains("no fragments of matrices"));
  CHECK_THROWS_WITH(emit::render_cuda(product_of(with_mma(16, 16), DType::f16)),
                    Catch::Contains("CUDA has fragments of 16x8x16 and 16x8x8, not 16x16x16"));
}

TEST_CASE("rows say which matrix units kernels use, and why none") {
  CHECK(units("ada-lovelace", "cuda").shape == MmaShape{.m = 16, .n = 8, .k = 16});
  CHECK(units("turing", "cuda").shape == MmaShape{.m = 16, .n = 8, .k = 8});
  CHECK(units("hopper", "vulkan").shape == MmaShape{.m = 16, .n = 16, .k = 16});
  CHECK(units("rdna3", "vulkan").why_not ==
        "rdna3 reaches them by VK_KHR_cooperative_matrix only, which glslang 12 cannot compile");
  CHECK(units("lavapipe", "vulkan").why_not == "lavapipe has no matrix units that vulkan reaches");
  CHECK(units("sapphire-rapids", "cpu").shape ==
        MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32});
  CHECK(units("ice-lake", "cpu").why_not == "ice-lake has no matrix units that cpu reaches");
  const Device old = resolve(DeviceSpec::named("hopper").api("vulkan").driver("535.98"));
  CHECK(emit::matrix_units(old, Numerics::fast).why_not == "hopper has no matrix units that vulkan reaches");
}

TEST_CASE("one function gives kernels their matrix units, and plan.txt the reason") {
  const Device gpu = resolve(DeviceSpec::named("hopper").api("vulkan")),
               amx = resolve(DeviceSpec::named("sapphire-rapids")), none = resolve(DeviceSpec::named("ice-lake")),
               lavapipe = resolve(DeviceSpec::named("lavapipe"));
  using Notes = std::vector<std::string>;
  for (const Device& device : {gpu, amx, none}) {
    const emit::BuiltFor strict = emit::built_for(device, Numerics::strict);
    CHECK((!strict.target.mma && strict.notes.empty()));
    for (const Numerics numerics : {Numerics::bf16, Numerics::fast})
      CHECK(emit::built_for(device, numerics).target.mma == emit::matrix_units(device, numerics).shape);
  }
  CHECK(emit::built_for(gpu, Numerics::fast).target.mma);
  CHECK(emit::built_for(gpu, Numerics::fast).notes.empty());
  CHECK(emit::built_for(gpu, Numerics::fast, true).notes ==
        Notes{"no matrix units: the bounds of check data do not know their roundings to f16"});
  CHECK(emit::built_for(gpu, Numerics::bf16).notes ==
        Notes{"no matrix units: kernels for GPUs multiply f16 by them, in numerics fast"});
  CHECK(emit::built_for(lavapipe, Numerics::fast).notes.at(0) ==
        "no matrix units: lavapipe has no matrix units that vulkan reaches");
  CHECK(emit::built_for(amx, Numerics::bf16, true).target.mma);
  CHECK(emit::built_for(none, Numerics::fast).notes.empty());  // as most CPUs
}

TEST_CASE("kernels use what the row has, and notes say what they do without") {
  Device device = resolve(DeviceSpec::named("hopper").api("vulkan"));
  const kir::Target all = emit::target_of(device);
  CHECK((all.lane_arithmetic && all.lane_broadcast && all.storage_8bit && all.storage_16bit));
  CHECK(all.push_constant_bytes == 256);
  CHECK(all.most_shared_bytes == 49152);
  device.subgroup_ops = {SubgroupOp::basic};
  device.storage_8bit = device.storage_16bit = device.denormals_preserved = device.dot4_accelerated = false;
  device.f16_arithmetic = false;
  device.max_workgroup_size = 96;
  const emit::BuiltFor bare = emit::built_for(device, Numerics::fast);
  CHECK((!bare.target.lane_arithmetic && !bare.target.lane_broadcast));
  CHECK((!bare.target.storage_8bit && !bare.target.storage_16bit));
  CHECK(bare.target.subgroups == 2);
  CHECK(bare.notes.size() == 7);
  CHECK(bare.notes.at(0) == "no matrix units: hopper has no f16 in shaders beside them (shaderFloat16)");
  CHECK(bare.notes.at(4) == "hopper has no 16-bit storage: kernels take halves out of words of 32 bits");
  CHECK(emit::target_of(resolve(DeviceSpec::named("apple-m1"))).cache_line_bytes == 128);
}

TEST_CASE("only numerics fast of CPUs that fuse has an exp of other bits") {
  const Device zen = resolve(DeviceSpec::named("zen5")), hopper = resolve(DeviceSpec::named("hopper"));
  for (const Numerics numerics : {Numerics::strict, Numerics::bf16})
    CHECK_FALSE(emit::built_for(zen, numerics).target.exp_by_fma);
  CHECK(emit::built_for(zen, Numerics::fast).target.exp_by_fma);
  CHECK_FALSE(emit::built_for(hopper, Numerics::fast).target.exp_by_fma);
  Device unfused = zen;
  std::erase(unfused.isa, "fma");
  CHECK_FALSE(emit::built_for(unfused, Numerics::fast).target.exp_by_fma);
}

TEST_CASE("tiles for matrix units keep to the device's shared memory") {
  kir::Target target = with_mma(16, 16);
  Product p = {.name = "matmul", .rows = {512, "N"}, .inner = {576}};
  p.weights = {{.name = "w", .dtype = DType::f16, .columns = {200}}};
  CHECK(why_no_mma(target, p).empty());
  target.most_shared_bytes = 28672;  // two tiles of 64 x 40 f16, one of 64 x 72 f32
  CHECK(why_no_mma(target, p).empty());
  target.most_shared_bytes = 28671;
  CHECK(why_no_mma(target, p) == "tiles take 28672 bytes of shared memory, of 28671");
}
