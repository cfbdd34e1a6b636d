// SPDX-License-Identifier: Apache-2.0
// Errors that must name a line of the test itself.
#pragma once

#include <openinfer/error.h>
#include <openinfer/location.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>

inline void check_place(const openinfer::At& at, const std::string& message, const std::function<void()>& f) {
  INFO(at.to_string() << ": " << message);
  try {
    f();
  } catch (const openinfer::Error& e) {
    CHECK(e.code() != openinfer::ErrorCode::internal);
    CHECK_THAT(e.message(), Catch::Contains(message));
    CHECK(e.where() == at.to_string());
    return;
  }
  FAIL_CHECK("no error was thrown");
}

/// The statement throws an Error with that message and the place of this very line.
#define CHECK_PLACE(message, ...) check_place({__FILE__, __LINE__}, message, [&] { __VA_ARGS__; })
