// SPDX-License-Identifier: Apache-2.0
// In the place of tests/kernels/interpret_run.cpp: the tests of the templates on a Vulkan device. Kernels of other
// widths than the device's go to the interpreter.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "codegen/kernel_ir/interpret.h"
#include "device.h"
#include "template_run.h"

namespace openinfer::kernels {

bool on_a_device() { return true; }
bool few_shaders() { return !std::getenv("OPENINFER_EVERY_TARGET"); }

const std::vector<kir::Target>& targets() {
  static const std::vector<kir::Target> all = [] {
    std::vector<kir::Target> found = {{.lanes = kDeviceLanes, .subgroups = 4, .exact_division = false}};
    if (few_shaders()) return found;  // the driver compiles each kernel for each: minutes
    found.push_back({.lanes = kDeviceLanes, .exact_division = false});
    // Of a device without operations between lanes and without narrow storage.
    found.push_back({.lanes = kDeviceLanes,
                     .subgroups = 4,
                     .exact_division = false,
                     .lane_arithmetic = false,
                     .lane_broadcast = false,
                     .storage_8bit = false,
                     .storage_16bit = false});
    return found;
  }();
  return all;
}

void run(const TemplateKernel& t, Buffers& buffers, const std::map<std::string, std::int64_t>& params) {
  INFO("kernel " << t.kernel.name << " lanes " << t.kernel.target.lanes << " subgroups " << t.kernel.target.subgroups);
  std::vector<std::span<std::byte>> memory;
  for (const kir::Buffer& b : t.kernel.buffers) {
    if (b.space == kir::Space::shared) continue;
    INFO("buffer " << b.name);
    REQUIRE(buffers.contains(b.name));
    memory.emplace_back(buffers.at(b.name).bytes());
  }
  std::vector<std::int32_t> values;
  for (const std::string& p : t.kernel.params) values.push_back(static_cast<std::int32_t>(params.at(p)));
  std::int64_t groups = 1;
  for (const GridFactor& f : t.grid) {
    const std::int64_t extent = f.extent.known() ? f.extent.value : params.at(f.extent.param);
    groups *= (extent + f.divide - 1) / f.divide;
  }
  run::VulkanDevice* on = device();
  if (!on || t.kernel.target.lanes != kDeviceLanes) return kir::interpret(t.kernel, memory, values, groups);
  run::VulkanDispatch d = dispatch(t.kernel, memory, groups);
  d.params = values;
  on->run(d);
}

}  // namespace openinfer::kernels
