// SPDX-License-Identifier: Apache-2.0
#include "lib/text/seams.h"

namespace openinfer::text {

void Seams::add(std::string_view piece) {
  std::uint32_t last = 0;
  for (std::size_t at = 0; at < piece.size();) {
    const Utf8Step step = utf8_step(piece, at);
    const std::uint32_t c = step.code_point;
    if (at == 0 && step.length == piece.size()) {
      if (c < 128)
        ascii_known_.set(c);
      else
        known_.insert(c);
    } else if (at > 0 && last < 128 && c < 128) {
      ascii_.set(last << 7 | c);
    } else if (at > 0) {
      pairs_.insert(std::uint64_t{last} << 32 | c);
    }
    last = c;
    at += step.length;
  }
}

}  // namespace openinfer::text
