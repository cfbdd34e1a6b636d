// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace openinfer {
namespace {

constexpr std::size_t kShortList = 4;

/// Levenshtein distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_hint(std::string_view wanted, const std::vector<std::string_view>& names) {
  if (names.empty()) return {};
  if (names.size() <= kShortList) return fmt::format("; there is '{}'", fmt::join(names, "', '"));
  const auto closer = [&](std::string_view a, std::string_view b) { return distance(wanted, a) < distance(wanted, b); };
  return fmt::format("; the nearest is '{}'", *std::min_element(names.begin(), names.end(), closer));
}

}  // namespace openinfer
