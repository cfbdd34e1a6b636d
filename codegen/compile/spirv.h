// SPDX-License-Identifier: Apache-2.0
// Emitted GLSL becomes SPIR-V here, when a project is emitted or a plan runs in this process: compiled by glslang,
// validated for Vulkan 1.2 and optimised by SPIRV-Tools, validated again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace openinfer::compile {

/// Was this build configured with glslang and SPIRV-Tools?
bool has_spirv();

/// Makes the tables that glslang has of its built-in functions, which takes as long as some kernels: for a thread
/// beside what comes before them. Without effect if has_spirv() is false.
void prepare_spirv();

/// Errors: internal, with `name`, the compiler's message and the line of the source it is about; unsupported if
/// has_spirv() is false.
std::vector<std::uint32_t> compile_glsl(std::string_view name, const std::string& source);

/// "glslang 12.0.0 and SPIRV-Tools v2023.1": what made the SPIR-V. Empty if has_spirv() is false.
std::string spirv_tools();

/// The capabilities that the module declares, as the specification numbers them: what the device must have.
std::vector<std::uint32_t> capabilities(const std::vector<std::uint32_t>& spirv);

}  // namespace openinfer::compile
