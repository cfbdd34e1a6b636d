// SPDX-License-Identifier: Apache-2.0
// What a host program for CPUs calls: device/kernels.h.
#pragma once

#include <string>

#include "codegen/plan/plan.h"

namespace openinfer::emit {

/// Declarations of every kernel, in namespace `<plan's name>::kernel`.
std::string kernels_h(const plan::Plan& plan);

}  // namespace openinfer::emit
