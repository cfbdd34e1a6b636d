// SPDX-License-Identifier: Apache-2.0
#include "lib/base/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

namespace openinfer {
namespace {

/// Levenshtein distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// Of names at the same distance: zen5 is nearer to zen6 than zen2 is.
std::size_t letters_apart(std::string_view a, std::string_view b) {
  constexpr std::size_t kFar = 256;
  if (a.size() != b.size()) return kFar;
  std::size_t apart = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    apart += static_cast<std::size_t>(std::abs(static_cast<unsigned char>(a[i]) - static_cast<unsigned char>(b[i])));
  return std::min(apart, kFar);
}

}  // namespace

std::string did_you_mean(std::string_view wanted, std::span<const std::string_view> names) {
  constexpr std::size_t kShown = 3, kLongest = 64, kBeginning = 3;
  std::vector<std::tuple<std::size_t, std::size_t, std::string_view>> near;
  for (std::string_view name : names)  // cut short
    if (wanted.size() >= kBeginning && name.size() <= kLongest && name.starts_with(wanted))
      near.emplace_back(0, name.size(), name);
  const bool begins = !near.empty();
  for (std::string_view name : names) {
    const auto [shorter, longer] = std::minmax({wanted.size(), name.size()});
    const std::size_t limit = std::max<std::size_t>(1, longer / 3);
    if (begins || longer > kLongest || longer - shorter > limit) continue;
    if (const std::size_t distance = edit_distance(wanted, name); distance <= limit)
      near.emplace_back(distance, letters_apart(wanted, name), name);
  }
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());
  if (near.size() > kShown) near.resize(kShown);
  std::string text;
  for (const auto& entry : near)
    text += fmt::format("{}'{}'", text.empty() ? "; did you mean " : " or ", std::get<2>(entry));
  return text.empty() ? text : text + "?";
}

}  // namespace openinfer
