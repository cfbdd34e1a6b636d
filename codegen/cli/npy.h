// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy files: one array in C order. Version 1 is written; 1 and 2 are read.
// Source: numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <string>
#include <string_view>

#include "openinfer/tensor.h"

namespace openinfer::cli {

/// Errors: io_error; corrupt_package for a malformed file, naming the file; unsupported for big-endian, Fortran order,
/// and element types that are no dtype of ours (strings, complex numbers, objects).
Tensor read_npy(const std::string& path);
/// The same from the file's bytes; `name` is for errors.
Tensor parse_npy(std::string_view file, const std::string& name);

/// What stands before the elements. Errors: unsupported for dtypes that NumPy lacks (bf16, f8, block formats).
std::string npy_header(DType dtype, const Extents& shape);

}  // namespace openinfer::cli
