// SPDX-License-Identifier: Apache-2.0
// The remedy in "no such name" errors: what the caller may have meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace openinfer {

/// "; did you mean 'matmul'?" with up to three of `names` by edit distance, or that begin so; "" if none is near.
std::string did_you_mean(std::string_view wanted, std::span<const std::string_view> names);

/// "; there is 'tok', 'pos'" where the list is short, else what did_you_mean() says.
std::string nearest_hint(std::string_view wanted, std::span<const std::string_view> names);

/// " (the family has 0..29)" if only a number of `wanted` is off, " (there is a family: Wq.0..29)" if it lacks one,
/// else what did_you_mean() says.
std::string suggest(std::string_view wanted, std::span<const std::string_view> names);

}  // namespace openinfer
