// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/nearest.h"

#include <fmt/format.h>

#include "lib/base/nearest.h"

namespace openinfer {

std::string nearest_hint(std::string_view wanted, const std::vector<std::string_view>& names) {
  constexpr std::size_t kShortList = 4;
  if (names.empty()) return {};
  if (names.size() <= kShortList) return fmt::format("; there is '{}'", fmt::join(names, "', '"));
  return did_you_mean(wanted, names);
}

}  // namespace openinfer
