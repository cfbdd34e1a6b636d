// SPDX-License-Identifier: Apache-2.0
// Sorting rows by places: runs of kSortRun elements by counting, then pairs of runs merged by binary search, which are
// twice as long each time. Stable: equal elements keep the order that they stand in.
#pragma once

#include <string>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

inline constexpr std::int64_t kSortRun = 64;

/// What both kernels work on. `values`: the last of them also puts the elements themselves in order.
struct Sorting {
  Extent outer, axis, inner;
  DType x = DType::f32;
  bool descending = false;
  bool values = false;
};
/// Buffers: x (outer, axis, inner), then to (i32) with the places of x's elements in order within each run, then
/// values (x's dtype) if asked for.
TemplateKernel sort_runs(const kir::Target& target, std::string name, const Sorting& what);
/// Buffers: x, from (i32) with the places in order within runs of `run`, then to (i32), within runs of 2 · run; values.
TemplateKernel merge_runs(const kir::Target& target, std::string name, const Sorting& what, std::int64_t run);

}  // namespace openinfer::kernels
