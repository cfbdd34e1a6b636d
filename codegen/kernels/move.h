// SPDX-License-Identifier: Apache-2.0
// Copies by position (transpose, slice, broadcast, concat) and counting (iota).
#pragma once

#include <string>
#include <vector>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// y[to_first + Σ at_d · to_steps_d] = x[from_first + Σ at_d · from_steps_d] for every place `at` of the axes. Buffers:
/// x, y.
struct Move {
  std::vector<Extent> axes = {};
  std::vector<Extent> from_steps = {}, to_steps = {};  // elements, one for each axis
  DType dtype = DType::f32;
  Extent from_first = {0}, to_first = {0};
  std::vector<bool> backwards = {};  // axes that x is walked along from its end; none: no axis is
};
TemplateKernel move(const kir::Target& target, std::string name, const Move& what);

/// y[at] = at[axis], in the dtype. Buffer: y.
struct Iota {
  std::vector<Extent> axes = {};
  std::size_t axis = 0;
  DType dtype = DType::i32;
};
TemplateKernel iota(const kir::Target& target, std::string name, const Iota& what);

}  // namespace openinfer::kernels
