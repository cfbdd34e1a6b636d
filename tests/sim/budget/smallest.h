// SPDX-License-Identifier: Apache-2.0
// The smallest budget that a session takes, by the refusal of one byte.
#pragma once

#include <catch2/catch.hpp>
#include <regex>
#include <string>

#include "openinfer/sim.h"

// The session's own tables: of schedules, cells, shapes. None of them grows with a tensor.
inline constexpr std::int64_t kTables = 96 << 10;

inline std::int64_t smallest(const openinfer::Model& model, const openinfer::Graph& g, openinfer::SimOptions options) {
  options.memory_budget = 1;
  try {
    openinfer::SimSession(model, g, options);
  } catch (const openinfer::Error& e) {
    std::smatch number;
    const std::string message = e.message();
    REQUIRE(std::regex_search(message, number, std::regex("that works is ([0-9]+) ")));
    return std::stoll(number[1]);
  }
  FAIL("a budget of one byte was taken");
  return 0;
}
