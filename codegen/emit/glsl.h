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

/// Is that buffer of the kernel an array of words of 32 bits in its shader, which elements are taken out of? It is
/// where they, or fields of them, are narrower than what the target has storage of. Who writes an element reads the
/// word too.
bool glsl_in_words(const kir::Kernel& kernel, const kir::Buffer& buffer);

}  // namespace openinfer::emit
