// SPDX-License-Identifier: Apache-2.0
// A plan as a C++ project that stands alone: kernels, host program, build files, the plan as text. Same inputs, same
// bytes.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "codegen/compile/nvrtc.h"
#include "codegen/plan/graph_facts.h"
#include "codegen/plan/plan.h"
#include "lib/base/device.h"
#include "openinfer/model.h"
#include "openinfer/sim.h"

namespace openinfer::emit {

/// Path below the project's folder -> text.
using Files = std::map<std::string, std::string>;

/// What a project is called that was given no name: as the package's file, as an identifier that is not taken.
std::string name_for(const Model& model);

/// For CUDA kernels and plan only (cuda_project.h), cubins where there is an `nvrtc`; else a whole program.
/// Errors: invalid_argument for a plan whose name is no C++ identifier; unsupported for what host_model.h refuses, and
/// for a plan with taps for CUDA; those of cuda_device. `check_data`: of check::record, for a plan with taps.
Files project_files(const plan::Plan& plan, const Model& model, const Device& device, const plan::GraphFacts& facts,
                    const std::string& check_data = {}, const compile::Nvrtc* nvrtc = nullptr);

/// Names the plan, its package and its device: check data are of one emission.
std::string emission(const plan::Plan& plan, const Model& model, const Device& device);

/// Writes the folder: all of it or nothing. An emitted project that is there is replaced; what else lies in its folder
/// (a build folder) stays. Errors: invalid_argument for a folder with anything else in it, and for a file of the old
/// project that was changed since; io_error.
void write_project(const Files& files, const std::filesystem::path& folder);

/// Both.
void emit_project(const plan::Plan& plan, const Model& model, const Device& device, const std::filesystem::path& folder,
                  const plan::GraphFacts& facts, const std::string& check_data = {},
                  const compile::Nvrtc* nvrtc = nullptr);

}  // namespace openinfer::emit
