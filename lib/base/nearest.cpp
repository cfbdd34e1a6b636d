// SPDX-License-Identifier: Apache-2.0
#include "lib/base/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <set>
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

constexpr std::string_view kDigits = "0123456789";

std::optional<long> number(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::string ranges(const std::set<long>& numbers) {
  std::vector<std::string> parts;
  for (auto it = numbers.begin(); it != numbers.end();) {
    const long first = *it;
    long last = first;
    while (++it != numbers.end() && *it == last + 1) last = *it;
    parts.push_back(first == last ? std::to_string(first) : fmt::format("{}..{}", first, last));
    if (parts.size() == 4 && it != numbers.end()) return fmt::format("{}, …", fmt::join(parts, ", "));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// The numbers that stand, in other names, where `wanted` has digits [from, to).
std::set<long> family(std::string_view wanted, std::size_t from, std::size_t to,
                      std::span<const std::string_view> names) {
  const std::string_view prefix = wanted.substr(0, from), suffix = wanted.substr(to);
  std::set<long> numbers;
  for (const std::string_view name : names) {
    if (name.size() <= prefix.size() + suffix.size() || !name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    if (const auto n = number(name.substr(from, name.size() - prefix.size() - suffix.size()))) numbers.insert(*n);
  }
  return numbers;
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
    if (const std::size_t distance = edit_distance(wanted, name); distance <= limit && distance < longer)
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

std::string nearest_hint(std::string_view wanted, std::span<const std::string_view> names) {
  constexpr std::size_t kShortList = 4;
  if (names.empty()) return {};
  if (names.size() <= kShortList) return fmt::format("; there is '{}'", fmt::join(names, "', '"));
  return did_you_mean(wanted, names);
}

std::string suggest(std::string_view wanted, std::span<const std::string_view> names) {
  for (std::size_t from = wanted.find_first_of(kDigits); from != wanted.npos;) {
    const std::size_t to = std::min(wanted.find_first_not_of(kDigits, from), wanted.size());
    if (const auto numbers = family(wanted, from, to, names); !numbers.empty())
      return fmt::format(" (the family has {})", ranges(numbers));
    from = wanted.find_first_of(kDigits, to);
  }
  const std::string indexed = std::string(wanted) + ".";
  if (const auto numbers = family(indexed, indexed.size(), indexed.size(), names); !numbers.empty())
    return fmt::format(" (there is a family: {}{})", indexed, ranges(numbers));
  return did_you_mean(wanted, names);
}

}  // namespace openinfer
