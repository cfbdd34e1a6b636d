// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/cuda_project.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "codegen/emit/cuda.h"
#include "codegen/emit/side_by_side.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

void check_nvrtc(const compile::Nvrtc& nvrtc, const Device& device) {
  constexpr std::string_view kRemedy = "or give --no-cubins for sources and plan only";
  if (!nvrtc.missing().empty())
    fail(ErrorCode::unsupported, "[emit] {}: {}; {}", device.name, nvrtc.missing(), kRemedy);
  const std::vector<std::string> known = nvrtc.supported(device.cuda_archs);
  for (const std::string& arch : device.cuda_archs)
    if (std::find(known.begin(), known.end(), arch) == known.end())
      fail(ErrorCode::unsupported, "[emit] {}: NVRTC {} does not compile for {}: install a CUDA that does, {}",
           device.name, nvrtc.version(), arch, kRemedy);
}

/// Before it is compiled: ptxas says less clearly what is wrong.
void check_shared(const kir::Kernel& kernel, const Device& device) {
  compile::check_limits(kernel.name, {.shared_bytes = static_cast<int>(kir::shared_bytes(kernel))}, device);
}

std::string use_table(const plan::Plan& plan, const Device& device, const compile::Nvrtc& nvrtc,
                      const std::vector<compile::CudaUse>& uses) {
  std::size_t widest = 6;
  for (const plan::Kernel& k : plan.kernels) widest = std::max(widest, k.code.name.size());
  std::string text = fmt::format(
      "\ncuda\n  NVRTC {}, {}; a thread of {} has {} registers, a block {} B of shared memory\n"
      "  {:{}}  {:8}  registers  spill stores  spill loads     local    shared\n",
      nvrtc.version(), compile::kCudaFlags, device.name, device.registers_per_lane, device.shared_memory_bytes,
      "kernel", widest, "for");
  const auto bytes = [](int n) { return fmt::format("{} B", n); };
  for (std::size_t k = 0; k < plan.kernels.size(); ++k)
    for (std::size_t a = 0; a < device.cuda_archs.size(); ++a) {
      const compile::CudaUse& use = uses[k * device.cuda_archs.size() + a];
      text += fmt::format("  {:{}}  {:8}  {:>9}  {:>12}  {:>11}  {:>8}  {:>8}\n", plan.kernels[k].code.name, widest,
                          device.cuda_archs[a], use.registers, bytes(use.spill_store_bytes),
                          bytes(use.spill_load_bytes), bytes(use.local_bytes), bytes(use.shared_bytes));
    }
  return text;
}

}  // namespace

CudaDevice cuda_device(const plan::Plan& plan, const Device& device, const compile::Nvrtc* nvrtc) {
  CudaDevice made;
  if (nvrtc) check_nvrtc(*nvrtc, device);
  std::vector<std::string> sources;
  for (const plan::Kernel& k : plan.kernels) {
    check_shared(k.code, device);
    sources.push_back(cuda_source(k.code));
    made.files[k.code.name + ".cu"] = sources.back();
  }
  if (!nvrtc) {
    made.plan = fmt::format("\ncuda\n  not compiled: registers and spills are not known\n");
    return made;
  }
  const std::size_t archs = device.cuda_archs.size();
  std::vector<compile::CudaUse> uses(sources.size() * archs);
  std::vector<std::string> cubins(uses.size());
  side_by_side(uses.size(), [&](std::size_t i) {
    const std::string& name = plan.kernels[i / archs].code.name;
    compile::CudaKernel kernel = nvrtc->compile(name, sources[i / archs], device.cuda_archs[i % archs]);
    compile::check_limits(name, kernel.use, device);
    uses[i] = kernel.use;
    cubins[i] = std::move(kernel.cubin);
  });
  for (std::size_t i = 0; i < uses.size(); ++i)
    made.files[fmt::format("{}.{}.cubin", plan.kernels[i / archs].code.name, device.cuda_archs[i % archs])] =
        std::move(cubins[i]);
  made.plan = use_table(plan, device, *nvrtc, uses);
  return made;
}

}  // namespace openinfer::emit
