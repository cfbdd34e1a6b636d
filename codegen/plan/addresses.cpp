// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "codegen/plan/pipeline.h"
#include "codegen/plan/walk.h"

namespace openinfer::plan {
namespace {

/// Calls `f` with each global buffer of each of the dispatch's kernels, and what it is bound to.
template <class F>
void each_binding(Plan& plan, const Dispatch& d, const F& f) {
  for (const int kernel : d.kernels) {
    kir::Kernel& code = plan.kernels[static_cast<std::size_t>(kernel)].code;
    std::size_t operand = 0;
    for (kir::Buffer& b : code.buffers)
      if (b.space == kir::Space::global)
        f(code, b, plan.buffers[static_cast<std::size_t>(d.operands[operand++].buffer)]);
  }
}

std::string reason(const kir::Kernel& code, const kir::Buffer& b, const Buffer& bound) {
  const std::int64_t bytes = bound.max_bytes, most = code.target.most_bound_bytes;
  if (bytes <= most) return fmt::format("{} by its address, as another dispatch of this kernel needs it", b.name);
  return fmt::format("{} by its address: its {} bytes are more than the {} that the device binds", b.name, bytes, most);
}

}  // namespace

void bind_by_address(Plan& plan) {
  for (EntryPoint& e : plan.entries)
    each_dispatch(e.steps, [&](Dispatch& d) {
      each_binding(plan, d, [&](const kir::Kernel& code, kir::Buffer& b, const Buffer& bound) {
        if (code.target.addresses && bound.max_bytes > code.target.most_bound_bytes) b.by_address = true;
      });
    });
  for (EntryPoint& e : plan.entries)
    each_dispatch(e.steps, [&](Dispatch& d) {
      std::string reasons;
      each_binding(plan, d, [&](const kir::Kernel& code, const kir::Buffer& b, const Buffer& bound) {
        const std::string one = b.by_address ? "; " + reason(code, b, bound) : "";
        if (reasons.find(one) == reasons.npos) reasons += one;  // once for all variants
      });
      if (!reasons.empty()) d.origin.reason += d.origin.reason.empty() ? reasons.substr(2) : reasons;
    });
}

}  // namespace openinfer::plan
