// SPDX-License-Identifier: Apache-2.0
// The package's tensors behind a weight buffer: one, or a family of them.
#pragma once

#include <string>
#include <vector>

#include "codegen/plan/plan.h"
#include "openinfer/model.h"

namespace openinfer::plan {

/// Keys of a weight buffer's members, last {} fastest.
std::vector<std::string> member_keys(const Buffer& weight);

/// What kernels take for granted of them. Errors: not_found; unsupported for one whose shape or orientation is not the
/// first one's.
void check_members(const Buffer& weight, const Model& model);

}  // namespace openinfer::plan
