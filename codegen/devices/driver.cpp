// SPDX-License-Identifier: Apache-2.0
#include "codegen/devices/driver.h"

#include <algorithm>
#include <charconv>

#include "lib/base/fail.h"

namespace openinfer {

std::vector<int> driver_version(std::string_view text) {
  std::vector<int> version;
  std::size_t at = text.find_first_of("0123456789-");
  while (at < text.size() && text[at] != '-') {
    int part = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), part);
    if (error != std::errc()) break;
    version.push_back(part);
    at = static_cast<std::size_t>(end - text.data());
    if (at >= text.size() || text[at] != '.') break;
    ++at;
  }
  if (version.empty())
    fail(ErrorCode::invalid_argument, "[device] driver '{}' has no version number; write it like 555.42 or 555.xx",
         text);
  return version;
}

bool older(const std::vector<int>& a, const std::vector<int>& b) {
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const int left = i < a.size() ? a[i] : 0, right = i < b.size() ? b[i] : 0;
    if (left != right) return left < right;
  }
  return false;
}

}  // namespace openinfer
