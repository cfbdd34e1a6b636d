// SPDX-License-Identifier: Apache-2.0
// How the library throws: fail(code, "…{}", …) with fmt's compile-time check of the format string.
#pragma once

#include <fmt/format.h>

#include <utility>

#include "openinfer/error.h"

namespace openinfer {

template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
[[noreturn]] void fail_at(Location where, ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...), where);
}

/// Runs f; an Error without a place gets `at`.
template <class F>
decltype(auto) located(Location at, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const Error& e) {
    if (!e.where().empty()) throw;
    throw Error(e.code(), e.message(), at);
  }
}

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace openinfer

/// For bugs of ours only, never for input.
#define OPENINFER_ASSERT(condition) \
  ((condition) ? void() : ::openinfer::assertion_failed(#condition, __FILE__, __LINE__))
