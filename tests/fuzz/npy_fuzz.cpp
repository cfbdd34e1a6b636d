// SPDX-License-Identifier: Apache-2.0
// Any bytes as a .npy file: an Error that is not internal, or a tensor that is the same when written and read again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "codegen/cli/npy.h"
#include "codegen/cli/options.h"
#include "openinfer/error.h"

namespace openinfer::cli {
/// In the place of options.cpp, which has it and much else: nothing here reads a file.
std::string read_if(const std::string&, std::string_view) { std::abort(); }
}  // namespace openinfer::cli

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace openinfer;
  const auto bytes_of = [](const Tensor& tensor) {
    return std::string(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
  };
  try {
    const Tensor once = cli::parse_npy({reinterpret_cast<const char*>(data), size}, "fuzz.npy");
    const Tensor again = cli::parse_npy(cli::npy_header(once.dtype(), once.shape()) + bytes_of(once), "again.npy");
    if (again.dtype() != once.dtype() || again.shape() != once.shape() || bytes_of(again) != bytes_of(once))
      std::abort();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) std::abort();
  }
  return 0;
}
