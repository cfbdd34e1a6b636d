// SPDX-License-Identifier: Apache-2.0
// The checks that need O(data): what spec.md marks (verify). Opening has already checked the structure.
#pragma once

#include <functional>

#include "formats/opnf/reader.h"

namespace opnf {

/// Every checksum, the zeros between tensors, the key hash, UTF-8, string arrays, bools and ternary digits. Reads each
/// file once or twice in pieces. Errors: corrupt, with the first difference; io.
void verify(const Reader& package, const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});

/// Of the stored bytes of a data row, once all were read. Errors: corrupt if the index has another.
void check_checksum(const Reader& package, const Tensor& tensor, std::uint64_t checksum);

bool is_utf8(std::string_view text);

}  // namespace opnf
