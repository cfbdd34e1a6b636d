// SPDX-License-Identifier: Apache-2.0
// The tests of this folder run kernels in the interpreter; tests/emit runs the same tests on devices.
#include <algorithm>
#include <catch2/catch.hpp>

#include "codegen/kernel_ir/interpret.h"
#include "template_run.h"
#include "tests/sanitizers.h"

namespace openinfer::kernels {
namespace {

using Memory = std::vector<std::span<std::byte>>;

bool has_nan(const Buffers& buffers) {
  return std::any_of(buffers.begin(), buffers.end(), [](const auto& b) { return b.second.has_nan(); });
}

Memory memory_of(const TemplateKernel& t, Buffers& buffers) {
  Memory memory;
  for (const kir::Buffer& b : t.kernel.buffers) {
    if (b.space == kir::Space::shared) continue;
    INFO("buffer " << b.name);
    REQUIRE(buffers.contains(b.name));
    memory.emplace_back(buffers.at(b.name).bytes());
  }
  return memory;
}

/// Which of a NaN and a number min and max give is open: nothing that the kernel leaves may depend on it.
void check_swapped(const TemplateKernel& t, Buffers given, const Buffers& found,
                   const std::vector<std::int32_t>& params, std::int64_t groups) {
  kir::interpret(t.kernel, memory_of(t, given), params, groups, {.swap_extremes = true});
  for (const auto& [name, data] : found) {
    INFO("buffer " << name << ", with operands of min and max swapped");
    CHECK((given.at(name).same_bits(data) || distance(given.at(name).values(), data.values()) == 0));
  }
}

}  // namespace

bool on_a_device() { return false; }
bool few_shaders() { return false; }

const std::vector<kir::Target>& targets() {
  static const std::vector<kir::Target> all = {{.lanes = 1, .subgroups = 1},
                                               {.lanes = 16, .subgroups = 1, .panels = true, .core_cache = true},
                                               {.lanes = 8, .subgroups = 1, .panels = true, .core_cache = true},
                                               {.lanes = 8, .subgroups = 4},
                                               {.lanes = 32, .subgroups = 4},
                                               {.lanes = 64, .subgroups = 2}};
  // Under a sanitizer: one lane, panels, several subgroups.
  static const std::vector<kir::Target> few = {all[0], all[1], all[3]};
  return kFewer == 1 ? all : few;
}

void run(const TemplateKernel& t, Buffers& buffers, const std::map<std::string, std::int64_t>& params) {
  INFO("kernel " << t.kernel.name << " lanes " << t.kernel.target.lanes << " subgroups " << t.kernel.target.subgroups);
  const Buffers before = has_nan(buffers) ? buffers : Buffers();
  const Memory memory = memory_of(t, buffers);
  std::vector<std::int32_t> values;
  for (const std::string& p : t.kernel.params) {
    INFO("parameter " << p);
    REQUIRE(params.contains(p));
    values.push_back(static_cast<std::int32_t>(params.at(p)));
  }
  std::int64_t groups = 1;
  for (const GridFactor& f : t.grid) {
    const std::int64_t extent = f.extent.known() ? f.extent.value : params.at(f.extent.param);
    groups *= (extent + f.divide - 1) / f.divide;
  }
  kir::interpret(t.kernel, memory, values, groups);
  if (!before.empty()) check_swapped(t, before, buffers, values, groups);
}

}  // namespace openinfer::kernels
