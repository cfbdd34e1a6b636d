// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include <catch2/catch.hpp>
#include <memory>

#include "codegen/compile/spirv.h"
#include "codegen/emit/glsl.h"
#include "openinfer/error.h"

namespace openinfer::kernels {
namespace {

std::unique_ptr<run::VulkanDevice> open_device() {
  if (!compile::has_spirv() || !run::has_vulkan()) return nullptr;
  try {
    return std::make_unique<run::VulkanDevice>(run::VulkanOptions{.device = "llvmpipe", .validate = true});
  } catch (const Error& e) {
    WARN(e.what());
    return nullptr;
  }
}

}  // namespace

run::VulkanDevice* device() {
  static const std::unique_ptr<run::VulkanDevice> one = open_device();
  if (!one) WARN("skipped: no SPIR-V compiler, or no lavapipe with validation layers");
  return one.get();
}

run::VulkanDispatch dispatch(const kir::Kernel& k, std::vector<std::span<std::byte>> buffers, std::int64_t groups) {
  std::string access;
  for (const kir::Buffer& b : k.buffers)
    if (b.space == kir::Space::global) access += b.by_address ? 'B' : 'b';
  return {.name = k.name,
          .spirv = compile::compile_glsl(k.name, emit::render_glsl(k)),
          .lanes = k.target.lanes,
          .subgroups = k.target.subgroups,
          .access = access,
          .buffers = std::move(buffers),
          .groups = groups};
}

}  // namespace openinfer::kernels
