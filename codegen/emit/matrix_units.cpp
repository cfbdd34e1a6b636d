// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/matrix_units.h"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

MatrixUnits matrix_units(const Device& device) {
  if (device.mma.empty())
    return {{}, fmt::format("{} has no matrix units that {} reaches", device.name, name(device.api))};
  if (device.api == Api::cpu) return tiles_of(device);
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

}  // namespace openinfer::emit
