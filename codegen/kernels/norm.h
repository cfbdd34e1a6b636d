// SPDX-License-Identifier: Apache-2.0
// rms_norm: y[r, i] = x[r, i] / sqrt(mean_i(x²) + eps) · w[i]
// layer_norm: y[r, i] = (x[r, i] - mean_i(x)) / sqrt(variance_i(x) + eps) · w[i] + b[i]
#pragma once

#include <optional>
#include <string>

#include "codegen/kernels/pointwise.h"

namespace openinfer::kernels {

/// Buffers: x (rows, width), w (width), b (width) where there is one, then y or the tail's. Any float dtypes; sums in
/// f32, in f64 where x is f64.
struct Norm {
  Extent rows, width;
  DType x = DType::f32, w = DType::f32;
  bool centred = false;  // layer_norm
  std::optional<DType> b = {};
  double eps = 1e-5;
  Pointwise tail = {};     // of one given value; its last axis is the row
  std::string int8 = {};   // a buffer that gets the norm as rows of 8-bit blocks besides (int8_rows.h); "": none
  std::string bf16 = {};   // the same of rows of bf16 (apart_rows.h)
  bool only_int8 = false;  // no y, no tail
};
TemplateKernel norm(const kir::Target& target, std::string name, const Norm& what);

}  // namespace openinfer::kernels
