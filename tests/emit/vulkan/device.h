// SPDX-License-Identifier: Apache-2.0
// The CPU's Vulkan driver, lavapipe, under the validation layers, and kernels made ready for it.
#pragma once

#include <span>
#include <vector>

#include "codegen/kernel_ir/ir.h"
#include "codegen/run/vulkan_kernel.h"

namespace openinfer::kernels {

inline constexpr int kDeviceLanes = 8;

/// Null, with a word about it ("skipped: …"), where this machine or this build cannot run shaders.
run::VulkanDevice* device();

/// Rendered as GLSL, compiled to SPIR-V.
run::VulkanDispatch dispatch(const kir::Kernel& k, std::vector<std::span<std::byte>> buffers, std::int64_t groups);

}  // namespace openinfer::kernels
