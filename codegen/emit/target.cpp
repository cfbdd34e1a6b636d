// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "codegen/emit/cpp_tiles.h"

namespace openinfer::emit {
namespace {

/// Can a renderer write products of such fragments?
bool is_rendered(const MmaShape& shape, Api api) {
  if (shape.operand != DType::f16 || shape.sum != DType::f32 || shape.m != 16) return false;
  return api == Api::cuda ? shape.n == 8 : shape.n == 16 && shape.k == 16;
}

/// AMX: fragments are made of four tiles of sums and two of each operand.
MatrixUnits tiles_of(const Device& device) {
  constexpr MmaShape kTile = {.m = 16, .n = 16, .k = 32, .operand = DType::bf16, .sum = DType::f32};
  if (std::find(device.mma.begin(), device.mma.end(), kTile) == device.mma.end() || device.lanes != 16)
    return {{}, fmt::format("kernels for CPUs use tiles of bf16 beside sixteen lanes, which {} lacks", device.name)};
  return {kCppTiles, ""};
}

MatrixUnits units_of(const Device& device) {
  if (device.mma.empty())
    return {{}, fmt::format("{} has no matrix units that {} reaches", device.name, name(device.api))};
  if (device.api == Api::cpu) return tiles_of(device);
  if (device.api == Api::vulkan && !device.f16_arithmetic)
    return {{}, fmt::format("{} has no f16 in shaders beside them (shaderFloat16)", device.name)};
  // glslang 12 compiles VK_NV_cooperative_matrix, which NVIDIA's drivers have had since 2019 and no others. The Khronos
  // extension is out of reach: spirv_type of GL_EXT_spirv_intrinsics takes constants there, and
  // OpTypeCooperativeMatrixKHR the id of a type; SPIRV-Tools 2023.1 does not know it either.
  if (device.api == Api::vulkan && device.vendor != "NVIDIA")
    return {
        {},
        fmt::format("{} reaches them by VK_KHR_cooperative_matrix only, which glslang 12 cannot compile", device.name)};
  for (const MmaShape& shape : device.mma)
    if (is_rendered(shape, device.api)) return {shape, ""};
  return {{}, fmt::format("no schedule is for the fragments of {}", device.name)};
}

}  // namespace

MatrixUnits matrix_units(const Device& device, Numerics numerics, bool bounded) {
  const bool cpu = device.api == Api::cpu;
  if (numerics == Numerics::strict) return {};
  if (numerics == Numerics::bf16 && !cpu) return {{}, "kernels for GPUs multiply f16 by them, in numerics fast"};
  MatrixUnits units = units_of(device);
  if (units.shape && !cpu && bounded) return {{}, "the bounds of check data do not know their roundings to f16"};
  return units;
}

namespace {

/// The row's, or as many as a workgroup may have lanes for.
int subgroups_of(const Device& device) {
  const int most = std::max(1, device.max_workgroup_size / device.lanes);
  return std::min(device.subgroups, static_cast<int>(std::bit_floor(static_cast<unsigned>(most))));
}

/// What kernels do otherwise than they could for want of something that a GPU may have.
std::vector<std::string> wants(const Device& device, const kir::Target& target, Numerics numerics) {
  std::vector<std::string> notes;
  const auto say = [&](bool lacks, std::string_view what) {
    if (lacks) notes.push_back(fmt::format("{} {}", device.name, what));
  };
  say(!target.lane_arithmetic, "has no arithmetic between the lanes of a subgroup: their sums meet in shared memory");
  say(!target.lane_broadcast, "has no broadcasts within a subgroup: values of one lane go through shared memory");
  say(!target.storage_8bit, "has no 8-bit storage: kernels take bytes out of words of 32 bits");
  say(!target.storage_16bit, "has no 16-bit storage: kernels take halves out of words of 32 bits");
  say(!device.denormals_preserved, "need not keep denormal numbers: f32 below 2^-126 may count as 0");
  say(numerics == Numerics::fast && device.dot4 != Dot4::none && !device.dot4_accelerated,
      "has no instruction for dot4, which its driver spells out: products of 8 bits are no faster than those of f32");
  return notes;
}

}  // namespace

BuiltFor built_for(const Device& device, Numerics numerics, bool bounded) {
  const bool cpu = device.api == Api::cpu, vulkan = device.api == Api::vulkan;
  const bool fused = device.has_isa("fma") || device.has_isa("asimd");
  const MatrixUnits units = matrix_units(device, numerics, bounded);
  BuiltFor built = {{.lanes = device.lanes,
                     .subgroups = cpu ? 1 : subgroups_of(device),
                     .dot4 = device.dot4,
                     .bf16_dot = cpu && device.bf16_dot,
                     .exact_division = !vulkan,
                     .exact_fma = !vulkan,
                     .fast_fma = cpu && fused,
                     .exp_by_fma = cpu && fused && numerics == Numerics::fast,
                     .panels = cpu,
                     .core_cache = cpu,
                     .most_bound_bytes = device.max_storage_buffer_range_bytes,
                     .addresses = vulkan && device.buffer_device_address,
                     .most_shared_bytes = device.shared_memory_bytes,
                     .tuned = device.tuned,
                     .mma = units.shape}};
  kir::Target& target = built.target;
  if (cpu) target.cache_line_bytes = device.cache_line_bytes;
  if (vulkan) {
    target.push_constant_bytes = static_cast<int>(device.push_constant_bytes);
    target.lane_arithmetic = device.has(SubgroupOp::arithmetic);
    target.lane_broadcast = device.has(SubgroupOp::ballot);
    target.storage_8bit = device.storage_8bit, target.storage_16bit = device.storage_16bit;
  }
  // Most CPUs have none, and their plans say nothing.
  if (!units.why_not.empty() && !(cpu && device.mma.empty()))
    built.notes.push_back("no matrix units: " + units.why_not);
  if (!cpu)
    for (std::string& want : wants(device, target, numerics)) built.notes.push_back(std::move(want));
  return built;
}

}  // namespace openinfer::emit
