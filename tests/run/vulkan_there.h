// SPDX-License-Identifier: Apache-2.0
// Which devices the sessions of a test run on.
#pragma once

#include <catch2/catch.hpp>

#include "codegen/run/vulkan_kernel.h"
#include "tests/sanitizers.h"

namespace openinfer::run_test {

/// Where there is none the test says so, and CTest counts it as skipped: tests.cmake.
inline bool has_vulkan() {
  if (UNDER_TSAN) return false;  // lavapipe ends in a signal there, and what drivers do TSan does not see
  const bool there = run::has_vulkan();
  if (!there) WARN("skipped: no Vulkan device");
  return there;
}

}  // namespace openinfer::run_test
