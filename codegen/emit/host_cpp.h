// SPDX-License-Identifier: Apache-2.0
// The host side of an emitted C++ program that is made from the plan's steps: host/model.cpp and device/kernels.h. What
// every program has alike stands in prelude/host.
#pragma once

#include <cstdint>
#include <string>

#include "codegen/emit/graph_facts.h"
#include "codegen/plan/plan.h"
#include "lib/base/device.h"
#include "openinfer/model.h"

namespace openinfer::emit {

/// Declarations of every kernel, in namespace `<plan's name>::kernel`.
std::string kernels_h(const plan::Plan& plan);

/// `metadata_checksum`: of the package's METADATA section, 0 without one.
/// Errors: unsupported for weights in another layout than rows, or whose members are not stored alike, and for inputs,
/// outputs and states of packed dtypes.
std::string model_cpp(const plan::Plan& plan, const Model& model, const Device& device, const GraphFacts& facts,
                      std::uint64_t metadata_checksum);

}  // namespace openinfer::emit
