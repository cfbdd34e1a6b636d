// SPDX-License-Identifier: Apache-2.0
#include "lib/package/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <vector>

#include "lib/base/nearest.h"

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

}  // namespace

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
