// SPDX-License-Identifier: Apache-2.0
#include "openinfer/error.h"

#include "lib/base/fail.h"

namespace openinfer {
namespace {

constexpr std::size_t kBegin = 1500, kEnd = 500;  // bytes of a long message that are kept

/// A message may quote what a stranger wrote, of whatever length; a reader gets a line.
std::string shortened(std::string message) {
  if (message.size() <= kBegin + kEnd) return message;
  const auto inside = [&](std::size_t at) { return (static_cast<unsigned char>(message[at]) & 0xC0) == 0x80; };
  std::size_t begin = kBegin, end = message.size() - kEnd;
  for (int i = 0; i < 3 && inside(begin); ++i) --begin;  // whole characters
  for (int i = 0; i < 3 && inside(end); ++i) ++end;
  return message.replace(begin, end - begin, " … ");
}

}  // namespace

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
    : Error(code, shortened(std::move(message)), shortened(where.to_string())) {}

Error::Error(ErrorCode code, std::string message, std::string where)
    : std::runtime_error(where.empty() ? message : message + " at " + where),
      code_(code),
      message_(std::move(message)),
      where_(std::move(where)) {}

void assertion_failed(const char* condition, const char* file, int line) {
  fail(ErrorCode::internal, "assertion failed: {} at {}:{}", condition, file, line);
}

}  // namespace openinfer
