// SPDX-License-Identifier: Apache-2.0
// Catch2 3 under the header and the names of Catch2 2, so that the tests build with both. In the include path only
// where Catch2 3 was found (tests/CMakeLists.txt).
#pragma once

#include <catch2/catch_all.hpp>
#include <string>

using Catch::Approx;

namespace Catch {
using Matchers::EndsWith;
using Matchers::Equals;
using Matchers::StartsWith;
/// Version 3 calls it ContainsSubstring, and Contains is about ranges.
inline auto Contains(const std::string& text, CaseSensitive cases = CaseSensitive::Yes) {
  return Matchers::ContainsSubstring(text, cases);
}
}  // namespace Catch
