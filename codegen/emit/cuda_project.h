// SPDX-License-Identifier: Apache-2.0
// What a folder for CUDA holds of each kernel: its source, and what NVRTC makes of it for each architecture of the
// device's row. A host program is not part of it.
#pragma once

#include <map>
#include <string>

#include "codegen/compile/nvrtc.h"
#include "codegen/plan/plan.h"
#include "lib/base/device.h"

namespace openinfer::emit {

struct CudaDevice {
  std::map<std::string, std::string> files;  // of device/, by name: *.cu, *.sm_89.cubin
  std::string plan;                          // goes behind plan.txt: registers, spills, shared memory of each kernel
};

/// `nvrtc` null: sources only. Errors: unsupported if an NVRTC that is given is not there, does not know an
/// architecture of the row, or a kernel takes more than the device has; internal for a source that it refuses.
CudaDevice cuda_device(const plan::Plan& plan, const Device& device, const compile::Nvrtc* nvrtc);

}  // namespace openinfer::emit
