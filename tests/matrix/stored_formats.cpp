// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/stored_formats.h"

#include "codegen/kernels/block_code.h"
#include "lib/ops/dtypes.h"
#include "openinfer/error.h"

namespace openinfer::matrix {

std::vector<DType> stored_formats() {
  std::vector<DType> formats;
  for (int code = 0; code < 256; ++code) {
    try {
      const DTypeInfo& row = info(static_cast<DType>(code));
      if (!contains(kPlain, row.dtype)) formats.push_back(row.dtype);
    } catch (const Error&) {  // no dtype has that code
    }
  }
  return formats;
}

bool has_minimum(DType format) {
  return kernels::has_block_code(format) && kernels::block_code(format).minimum != nullptr;
}

}  // namespace openinfer::matrix
