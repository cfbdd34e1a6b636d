// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/sanitizers.h"

namespace sim_test {

/// Sanitizers keep what was freed, and shadows of what is there: resident memory says nothing then.
inline constexpr bool kResidentIsKnown = !(UNDER_ASAN || UNDER_TSAN);

/// Bytes of this process that are in memory: "RssAnon", its own; "RssFile", of mapped files.
inline std::int64_t resident(std::string_view kind) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word.substr(0, word.size() - 1) == kind) {
      std::int64_t kib = 0;
      status >> kib;
      return kib * 1024;
    }
  FAIL("/proc/self/status has no " << kind);
  return 0;
}

}  // namespace sim_test
