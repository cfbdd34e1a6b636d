// SPDX-License-Identifier: Apache-2.0
// Which devices the sessions of a test run on.
#pragma once

#include <catch2/catch.hpp>
#include <vector>

#include "codegen/run/vulkan_kernel.h"
#include "openinfer/sim.h"
#include "tests/sanitizers.h"

namespace openinfer::run_test {

/// Where there is none the test says so, and CTest counts it as skipped: tests.cmake.
inline bool has_vulkan() {
  if (UNDER_TSAN) return false;  // lavapipe ends in a signal there, and what drivers do TSan does not see
  const bool there = run::has_vulkan();
  if (!there) WARN("skipped: no Vulkan device");
  return there;
}

/// Those that this machine has: a C++ compiler is there, or tests would not be.
inline std::vector<Backend> backends() {
  std::vector<Backend> all = {Backend::cpu};
  if (has_vulkan()) all.push_back(Backend::vulkan);
  return all;
}

}  // namespace openinfer::run_test
