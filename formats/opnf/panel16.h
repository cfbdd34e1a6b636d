// SPDX-License-Identifier: Apache-2.0
// Layout panel16 (spec.md): sixteen rows of blocks interleaved, so that sixteen lanes read one stream. From rows to
// panels when a package is packed or a program wants panels, and back wherever somebody wants rows. Both are exact.
// Emitted programs carry a copy of this, as of the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "reader.h"

namespace opnf {

inline constexpr std::uint64_t kPanelRows = 16;

/// The panel of `rows`: 16 rows of `blocks` blocks each, one behind the other. Same size. dtype: q4_0 … q8_0, q4_k … q6_k.
void to_panel16(const DTypeInfo& dtype, std::uint64_t blocks, const std::byte* rows, std::byte* panel);

/// Rows [first, first + count) of a matrix whose panels lie one behind the other.
void from_panel16(const DTypeInfo& dtype, std::uint64_t blocks, const std::byte* panels, std::uint64_t first,
                  std::uint64_t count, std::byte* rows);

}  // namespace opnf
