// SPDX-License-Identifier: Apache-2.0
// A trace of node runs in the Trace Event Format, which Perfetto and chrome://tracing open.
// Source: the Trace Event Format document of the Chromium project; "X" is a complete event, times are microseconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace openinfer {

class TraceWriter {
 public:
  using Clock = std::chrono::steady_clock;

  /// Errors: io_error if the file cannot be made.
  explicit TraceWriter(const std::string& path);
  ~TraceWriter();  // finishes the file as well as it can

  struct Event {
    std::string_view name;  // the node's first result
    std::string_view op;
    Clock::time_point start, end;
    std::string_view loops;  // "l = 3"
    std::string_view at;     // "model.cpp:31"
  };
  void add(const Event& event);
  /// Errors: io_error if anything could not be written.
  void finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  Clock::time_point start_;
  int error_ = 0;  // errno of the first write that failed

  void write(std::string_view text);
};

}  // namespace openinfer
