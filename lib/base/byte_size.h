// SPDX-License-Identifier: Apache-2.0
// Sizes as users write them: 64MiB, 1.5GiB, 4096.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace openinfer {

/// In bytes, at least one; nothing for what is no size.
std::optional<std::int64_t> byte_size(std::string_view text);

}  // namespace openinfer
