// SPDX-License-Identifier: Apache-2.0
// In the place of tests/kernels/interpret_run.cpp: what the tests of the templates make is compiled by NVRTC for the
// oldest architecture, then interpreted.
#include <catch2/catch.hpp>
#include <set>

#include "codegen/compile/nvrtc.h"
#include "codegen/emit/cuda.h"
#include "codegen/kernel_ir/interpret.h"
#include "codegen/kernel_ir/ir.h"
#include "template_run.h"

namespace openinfer::kernels {
namespace {

constexpr std::int64_t kBlockBytes = 48 << 10;  // of shared memory whose size is known: CUDA C++ programming guide

std::int64_t shared_bytes(const kir::Kernel& k) {
  std::int64_t bytes = 0;
  for (const kir::Buffer& b : k.buffers)
    if (b.space == kir::Space::shared) bytes += std::int64_t{b.count} * kir::info(b.kind).bytes;
  return bytes;
}

void compile_once(const kir::Kernel& k) {
  // Tiles of weights are for the nearest cache of CPUs: no row of CUDA gives them a depth.
  if (shared_bytes(k) > kBlockBytes) {
    CHECK(k.target.tuned.contains("tile_depth"));
    return;
  }
  static const compile::Nvrtc nvrtc;
  static std::set<std::string> done;
  if (!nvrtc.missing().empty()) WARN("skipped: " << nvrtc.missing());
  if (!nvrtc.missing().empty()) return;
  const std::string source = emit::cuda_source(k);
  if (!done.insert(source).second) return;
  const bool newer = k.target.mma && k.target.mma->k == 16;  // fragments that sm_75 has not
  CHECK(nvrtc.compile(k.name, source, newer ? "sm_80" : "sm_75").use.spill_store_bytes == 0);
}

}  // namespace

bool on_a_device() { return false; }
bool few_shaders() { return false; }

const std::vector<kir::Target>& targets() {
  static const std::vector<kir::Target> all = {{.lanes = 32}, {.lanes = 32, .subgroups = 4}};
  return all;
}

void run(const TemplateKernel& t, Buffers& buffers, const std::map<std::string, std::int64_t>& params) {
  const bool other = t.kernel.target.mma && t.kernel.target.mma->n != 8;  // Vulkan's fragments
  if (t.kernel.target.lanes == 32 && !other) compile_once(t.kernel);
  std::vector<std::span<std::byte>> memory;
  for (const kir::Buffer& b : t.kernel.buffers)
    if (b.space == kir::Space::global) memory.emplace_back(buffers.at(b.name).bytes());
  std::vector<std::int32_t> values;
  for (const std::string& p : t.kernel.params) values.push_back(static_cast<std::int32_t>(params.at(p)));
  std::int64_t groups = 1;
  for (const GridFactor& f : t.grid) {
    const std::int64_t extent = f.extent.known() ? f.extent.value : params.at(f.extent.param);
    groups *= (extent + f.divide - 1) / f.divide;
  }
  kir::interpret(t.kernel, memory, values, groups);
}

}  // namespace openinfer::kernels
