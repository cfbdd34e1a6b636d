// SPDX-License-Identifier: Apache-2.0
#include "lib/package/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace openinfer {
namespace {

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

/// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string suggest(std::string_view wanted, std::span<const std::string_view> names) {
  for (std::size_t from = wanted.find_first_of(kDigits); from != wanted.npos;) {
    const std::size_t to = std::min(wanted.find_first_not_of(kDigits, from), wanted.size());
    if (const auto numbers = family(wanted, from, to, names); !numbers.empty())
      return fmt::format(" (the family has {})", ranges(numbers));
    from = wanted.find_first_of(kDigits, to);
  }
  std::vector<std::pair<std::size_t, std::string_view>> near;
  const std::size_t limit = std::max<std::size_t>(2, wanted.size() / 3);
  for (const std::string_view name : names) {
    const std::size_t longer = std::max(name.size(), wanted.size()), shorter = std::min(name.size(), wanted.size());
    if (longer - shorter > limit || wanted.size() > 255) continue;  // no key is longer: bounds the work
    if (const std::size_t d = distance(wanted, name); d <= limit) near.emplace_back(d, name);
  }
  if (near.empty()) return "";
  std::sort(near.begin(), near.end());
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, near.size()); ++i)
    shown.push_back(fmt::format("\"{}\"", near[i].second));
  return fmt::format("; did you mean {}?", fmt::join(shown, " or "));
}

}  // namespace openinfer
