// SPDX-License-Identifier: Apache-2.0
// The error code of nearly every refusal in this folder.
#pragma once

#include "openinfer/error.h"

namespace openinfer {

inline constexpr auto kInvalid = ErrorCode::invalid_argument;

}  // namespace openinfer
