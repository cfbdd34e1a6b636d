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

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace openinfer

/// For bugs of ours only, never for input.
#define OPENINFER_ASSERT(condition) \
  ((condition) ? void() : ::openinfer::assertion_failed(#condition, __FILE__, __LINE__))
