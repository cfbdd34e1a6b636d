// SPDX-License-Identifier: Apache-2.0
// What a Vulkan host needs beside the steps: the shaders as SPIR-V, and what a device must have to run them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "codegen/plan/plan.h"
#include "lib/base/device.h"

namespace openinfer::emit {

/// One kernel for Vulkan.
struct VulkanShader {
  std::string glsl;
  std::vector<std::uint32_t> spirv;
  std::string access;  // of each global buffer: 'r', 'w' or 'b' (both), capital where it is reached by its address
};

/// Of every kernel of the plan, in its order. Errors: those of render_glsl and compile_glsl.
std::vector<VulkanShader> vulkan_shaders(const plan::Plan& plan);

/// Device features by their names in Vulkan, sorted: "shaderInt8", "subgroupArithmetic".
/// Errors: internal for a capability of the SPIR-V that no feature is known for.
std::vector<std::string> vulkan_features(const plan::Plan& plan, const std::vector<VulkanShader>& shaders);

/// A number for what the shaders hold, as they are compiled: pipelines of others are no use.
std::uint64_t vulkan_checksum(const std::vector<VulkanShader>& shaders);

/// VkPhysicalDeviceProperties::vendorID of devices of that vendor; 0: unknown.
std::uint32_t vulkan_vendor_id(std::string_view vendor);

/// Its inverse; 0x10de: "NVIDIA". "": unknown.
std::string_view vulkan_vendor(std::uint32_t id);

/// Most bytes of shared memory, and most global buffers, that a kernel of the plan has.
std::int64_t shared_memory_bytes(const plan::Plan& plan);
std::int64_t bindings(const plan::Plan& plan);

/// Errors: unsupported for a feature that the device's row lacks.
void check_features(const std::vector<std::string>& features, const Device& device);

/// Errors: unsupported where the device does not have the subgroups or the shared memory of the plan's kernels; where a
/// buffer of the plan is larger than the device's maxStorageBufferRange for any sizes, and
/// kernels cannot have its address; where kernels would have to count beyond 2^31.
void check_fits(const plan::Plan& plan, const Device& device);

/// Files of device/ by name: *.comp, *.spv.inc, kernels.h, kernels.cpp.
std::map<std::string, std::string> vulkan_device_files(const plan::Plan& plan,
                                                       const std::vector<VulkanShader>& shaders);

}  // namespace openinfer::emit
