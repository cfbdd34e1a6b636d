// SPDX-License-Identifier: Apache-2.0
// Errors as tests compare them: "shape_mismatch: [add] shapes do not broadcast: …".
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "openinfer/openinfer.h"

namespace openinfer::testing {

/// Code and message of the Error that f throws, and "" if it throws none. `where` receives its location.
inline std::string thrown_by(const std::function<void()>& f, std::string& where) {
  try {
    f();
  } catch (const Error& e) {
    where = e.where();
    return std::string(name(e.code())) + ": " + e.message();
  }
  FAIL("no error was thrown");
  return {};
}

/// The same, and the Error must name the line that error_of stands on.
inline std::string error_of(const std::function<void()>& f, At at = {}) {
  std::string where;
  const std::string error = thrown_by(f, where);
  CHECK(where == at.to_string());
  return error;
}

/// The same for an Error that names an earlier line: of the node that failed at run time.
inline std::string run_error_of(const std::function<void()>& f) {
  std::string where;
  const std::string error = thrown_by(f, where);
  CHECK(!where.empty());
  return error;
}

}  // namespace openinfer::testing
