// SPDX-License-Identifier: Apache-2.0
// Formats that tensors of a package may have and values of a graph have not.
#pragma once

#include <vector>

#include "openinfer/dtype.h"

namespace openinfer::matrix {

/// All that are not plain, in the order of their codes.
std::vector<DType> stored_formats();
/// Does the format have scales and minima, whose products a kernel may sum apart?
bool has_minimum(DType format);

}  // namespace openinfer::matrix
