// SPDX-License-Identifier: Apache-2.0
#include "openinfer/error.h"

#include "lib/base/fail.h"

namespace openinfer {

std::string_view name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::shape_mismatch: return "shape_mismatch";
    case ErrorCode::dtype_mismatch: return "dtype_mismatch";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::corrupt_package: return "corrupt_package";
    case ErrorCode::io_error: return "io_error";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::device_error: return "device_error";
    case ErrorCode::out_of_memory: return "out_of_memory";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

std::string Location::to_string() const {
  if (!file) return {};
  const std::string_view path = file;
  const auto slash = path.rfind('/');
  return fmt::format("{}:{}", slash == path.npos ? path : path.substr(slash + 1), line);
}

Error::Error(ErrorCode code, std::string message, Location where)
    : std::runtime_error(where ? message + " at " + where.to_string() : message),
      code_(code),
      message_(std::move(message)),
      where_(where.to_string()) {}

void assertion_failed(const char* condition, const char* file, int line) {
  fail(ErrorCode::internal, "assertion failed: {} at {}:{}", condition, file, line);
}

}  // namespace openinfer
