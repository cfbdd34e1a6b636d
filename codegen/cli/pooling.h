// SPDX-License-Identifier: Apache-2.0
// From the rows of one text to one vector, as sentence-transformers does it.
#pragma once

#include <string_view>
#include <vector>

#include "openinfer/tensor.h"

namespace openinfer::cli {

enum class Pooling { mean, cls, max, last };

/// "mean", "cls", "max", "last", as packages' `pooling` and --pooling say them. Errors: invalid_argument.
Pooling pooling_from_name(std::string_view name);

/// The mean of all rows, the first row, the largest element of each column, the last row, computed in f64; then, if
/// `normalize`, divided by max(its length, 1e-12).  Shapes: hidden f32 (T, D), T ≥ 1 → D numbers.
/// Source: torch.nn.functional.normalize; sentence_transformers/models/Pooling.py.
std::vector<float> pool(const Tensor& hidden, Pooling pooling, bool normalize);

}  // namespace openinfer::cli
