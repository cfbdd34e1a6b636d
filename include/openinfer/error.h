// SPDX-License-Identifier: Apache-2.0
// The one exception class of the library. Everything that can go wrong with a file, a graph, a flag or a device
// is thrown as an Error whose message reads "[op] what is wrong: both values; the remedy at file.cpp:31".
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace openinfer {

enum class ErrorCode {
  invalid_argument,
  shape_mismatch,
  dtype_mismatch,
  not_found,
  corrupt_package,
  io_error,
  unsupported,
  device_error,
  out_of_memory,
  internal,  // a bug of ours: fuzzers fail on it
};

/// The code as it is written above: "shape_mismatch".
std::string_view name(ErrorCode code);

/// A line of the user's own source (or of an .oig text), captured by the functions that build a graph.
/// `file` points to storage that outlives every error (a string literal or a graph's own strings).
struct Location {
  const char* file = nullptr;
  int line = 0;

  explicit operator bool() const { return file != nullptr; }
  /// "model.cpp:31": the file without its folder; empty when unknown.
  std::string to_string() const;
};

class Error : public std::runtime_error {
 public:
  /// Of a message beyond 2000 bytes the middle is left out.
  Error(ErrorCode code, std::string message, Location where = {});

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }  // without the location
  const std::string& where() const { return where_; }      // "model.cpp:31" or ""

 private:
  Error(ErrorCode code, std::string message, std::string where);

  ErrorCode code_;
  std::string message_;
  std::string where_;
};

}  // namespace openinfer
