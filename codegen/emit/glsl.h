// SPDX-License-Identifier: Apache-2.0
// GLSL 4.60 compute shaders for Vulkan 1.2: a lane is an invocation, subgroups have the size that the kernel was built
// for (the host requires it at pipeline creation). What the host binds and pushes is in README.md.
#pragma once

#include <string>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::emit {

/// One kernel as a whole shader. Errors: unsupported for records with gaps, products of unsigned bytes, or more buffers
/// than push constants have room for, where an address takes the place of two starts.
std::string render_glsl(const kir::Kernel& kernel);

}  // namespace openinfer::emit
