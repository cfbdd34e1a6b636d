// SPDX-License-Identifier: Apache-2.0
// "did you mean": the names closest to one that was not found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace openinfer {

/// "; there is 'tok', 'pos'" where the list is short, else "; did you mean 'tok'?", or nothing if none is near.
std::string nearest_hint(std::string_view wanted, const std::vector<std::string_view>& names);

}  // namespace openinfer
