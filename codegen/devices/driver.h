// SPDX-License-Identifier: Apache-2.0
// Driver versions, so that a row can say what older drivers lack.
#pragma once

#include <string_view>
#include <vector>

namespace openinfer {

/// The numbers of a version. "555.42.02" → 555 42 2; "555.xx" → 555; "Mesa 24.1.0-devel" → 24 1 0.
/// Errors: invalid_argument, if the text has no number.
std::vector<int> driver_version(std::string_view text);

/// Whether `a` is older than `b`. A part that is not said counts as 0, the oldest: "555.xx" is older than 555.42, so
/// that what came with 555.42 is not taken for granted.
bool older(const std::vector<int>& a, const std::vector<int>& b);

}  // namespace openinfer
