// SPDX-License-Identifier: Apache-2.0
// CUDA C++ that includes nothing, for NVRTC (or nvcc): a lane is a thread, a subgroup a warp. Compile with
// --fmad=false: scalar functions must round each operation.
#pragma once

#include <string>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::emit {

/// One kernel: records, scalar functions and `extern "C" __global__ void name_kernel(buffers…, params…)`
/// (CUDA has a norm and an exp of its own), for blocks of lanes · subgroups threads and a grid of one dimension.
/// Integers wrap as Kernel IR's do. Errors: unsupported for other subgroups than warps of 32, records with gaps,
/// products of unsigned bytes.
std::string render_cuda(const kir::Kernel& kernel);

/// A whole .cu file: where the kernel came from, the parts of the prelude that it uses, the kernel; all but the first
/// in `namespace kernel`.
std::string cuda_source(const kir::Kernel& kernel);

}  // namespace openinfer::emit
