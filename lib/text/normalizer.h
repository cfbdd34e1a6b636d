// SPDX-License-Identifier: Apache-2.0
// What happens to a text before it is cut into words.
#pragma once

#include <string>
#include <string_view>

namespace openinfer::text {

enum class Normalizer { none, nfc };

/// "" or "nfc" (any case). Errors: unsupported, listing the known ones.
Normalizer parse_normalizer(std::string_view name);

/// Unicode normalisation form C of the valid runs of `text`, as the `tokenizers` library does it (see kNfcBoundaries);
/// other bytes stay. Says in `changed` whether anything was done; if not, the result is empty.
std::string normalize(Normalizer normalizer, std::string_view text, bool& changed);

}  // namespace openinfer::text
