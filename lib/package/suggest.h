// SPDX-License-Identifier: Apache-2.0
// What to say of a name that does not exist.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace openinfer {

/// " (the family has 0..29)" if only a number of `wanted` is off, " (there is a family: Wq.0..29)" if it lacks one, else
/// what did_you_mean() says.
std::string suggest(std::string_view wanted, std::span<const std::string_view> names);

}  // namespace openinfer
