// SPDX-License-Identifier: Apache-2.0
#include "lib/base/byte_size.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace openinfer {

std::optional<std::int64_t> byte_size(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view unit = text.substr(digits);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits) return std::nullopt;
  double scale = unit.empty() && value == std::floor(value) ? 1 : 0;
  for (const auto& [name, bytes] :
       {std::pair<std::string_view, double>{"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}})
    if (unit == name) scale = bytes;
  if (!(value * scale >= 1 && value * scale < 0x1p62)) return std::nullopt;
  return static_cast<std::int64_t>(value * scale);
}

}  // namespace openinfer
