// SPDX-License-Identifier: Apache-2.0
// What a cubin, the ELF file that ptxas makes, says of its kernel.
#pragma once

#include <string_view>

namespace openinfer::compile {

struct CubinUse {
  int registers = 0;    // of a thread, 32 bits each
  int frame_bytes = 0;  // of a thread's local memory: arrays that are not in registers, and spills
};

/// Of the kernel (its `extern "C"` name). Reads section .nv.info, attributes EIATTR_REGCOUNT and EIATTR_FRAME_SIZE, as
/// cuobjdump -elf prints them. Errors: internal for bytes that are no cubin, or one without that kernel.
CubinUse cubin_use(std::string_view cubin, std::string_view kernel);

}  // namespace openinfer::compile
