// SPDX-License-Identifier: Apache-2.0
// Python's int() and float() of a text, in any locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace openinfer::jinja {

/// Nothing where Python raises ValueError. Errors: invalid_argument for an integer beyond 64 bits.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_float(std::string_view text);
/// Towards zero. Errors: invalid_argument beyond 64 bits.
std::int64_t truncated(double value);

}  // namespace openinfer::jinja
