// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/move.h"

#include "codegen/kernels/over_axes.h"

namespace openinfer::kernels {
namespace {

using kir::Mem;
using kir::Val;

Val place(kir::Build& k, const Extent& first, const std::vector<Extent>& steps, const std::vector<Val>& at) {
  Val sum = value_of(k, first);
  for (std::size_t d = 0; d < at.size(); ++d) sum = sum + at[d] * value_of(k, steps[d]);
  return sum;
}

/// Integers that bytes are copied as, whatever they mean: no NaN changes on the way.
kir::Kind bits_kind(DType dtype) {
  const int bytes = kir::info(memory_kind(dtype)).bytes;
  return bytes == 1 ? kir::Kind::u8 : bytes == 2 ? kir::Kind::u16 : bytes == 4 ? kir::Kind::u32 : kir::Kind::u64;
}

}  // namespace

TemplateKernel move(const kir::Target& target, std::string name, const Move& what) {
  kir::Build k(std::move(name), target);
  const kir::Kind kind = bits_kind(what.dtype);
  const Mem x = k.in("x", kind), y = k.out("y", kind);
  Walk walk = over_axes(k, what.axes, [&](const std::vector<Val>& at) {
    std::vector<Val> from = at;
    for (std::size_t d = 0; d < what.backwards.size(); ++d)
      if (what.backwards[d]) from[d] = value_of(k, what.axes[d]) - 1 - at[d];
    y[place(k, what.to_first, what.to_steps, at)] = x[place(k, what.from_first, what.from_steps, from)];
  });
  return {.kernel = k.done(), .grid = std::move(walk.grid), .reason = std::move(walk.reason)};
}

TemplateKernel iota(const kir::Target& target, std::string name, const Iota& what) {
  kir::Build k(std::move(name), target);
  const kir::Kind memory = memory_kind(what.dtype);
  const Mem y = k.out("y", memory);
  Walk walk = over_axes(k, what.axes, [&](const std::vector<Val>& at) {
    y[flatten(k, what.axes, at)] = convert(at[what.axis], kir::info(memory).in_register);
  });
  return {.kernel = k.done(), .grid = std::move(walk.grid), .reason = std::move(walk.reason)};
}

}  // namespace openinfer::kernels
