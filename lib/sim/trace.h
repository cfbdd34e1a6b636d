// SPDX-License-Identifier: Apache-2.0
// A trace of node runs in the Trace Event Format, which Perfetto and chrome://tracing open.
// Source: the Trace Event Format document of the Chromium project; "X" is a complete event, times are microseconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "formats/opnf/atomic_file.h"

namespace openinfer {

class TraceWriter {
 public:
  using Clock = std::chrono::steady_clock;

  /// The file is there, whole, when it is finished; until then what was there before. Errors: io_error if it cannot be
  /// made.
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
  std::optional<opnf::AtomicFile> file_;  // none after finish()
  std::string buffer_, error_;            // the first write that failed
  Clock::time_point start_;

  void write(std::string_view text);
  void flush();
};

}  // namespace openinfer
