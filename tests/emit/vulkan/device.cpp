// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include <catch2/catch.hpp>
#include <map>
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

/// Runs of one kernel that differ by their sizes compile it once.
const std::vector<std::uint32_t>& spirv_of(const kir::Kernel& k) {
  static std::map<std::string, std::vector<std::uint32_t>> made;
  const std::string source = emit::render_glsl(k);
  if (const auto at = made.find(source); at != made.end()) return at->second;
  return made.emplace(source, compile::compile_glsl(k.name, source)).first->second;
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
          .spirv = spirv_of(k),
          .lanes = k.target.lanes,
          .subgroups = k.target.subgroups,
          .access = access,
          .buffers = std::move(buffers),
          .groups = groups};
}

}  // namespace openinfer::kernels
