// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/trace.h"

#include <cerrno>
#include <cstring>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      json += '\\', json += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      json += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      json += c;
  }
  return json += '"';
}

double microseconds(TraceWriter::Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

}  // namespace

TraceWriter::TraceWriter(const std::string& path)
    : path_(path), file_(std::fopen(path.c_str(), "wb")), start_(Clock::now()) {
  if (!file_) fail(ErrorCode::io_error, "[trace] cannot write '{}': {}", path, std::strerror(errno));
  write(
      "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
      "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"args\":{\"name\":\"openinfer simulator\"}}");
}

TraceWriter::~TraceWriter() {
  try {
    finish();
  } catch (const Error&) {
    // Nobody is left to tell; who wants to know calls stop_trace.
  }
}

void TraceWriter::write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() && error_ == 0) error_ = errno;
}

void TraceWriter::add(const Event& e) {
  write(
      fmt::format(",\n{{\"name\":{},\"cat\":{},\"ph\":\"X\",\"ts\":{:.3f},\"dur\":{:.3f},\"pid\":1,\"tid\":1,"
                  "\"args\":{{\"op\":{},\"loops\":{},\"at\":{}}}}}",
                  quoted(e.name.empty() ? e.op : e.name), quoted(e.op), microseconds(e.start - start_),
                  microseconds(e.end - e.start), quoted(e.op), quoted(e.loops), quoted(e.at)));
}

void TraceWriter::finish() {
  if (!file_) return;
  write("\n]}\n");
  if (std::fclose(file_.release()) != 0 && error_ == 0) error_ = errno;
  if (error_ != 0)
    fail(ErrorCode::io_error, "[trace] '{}' could not be written whole: {}", path_, std::strerror(error_));
}

}  // namespace openinfer
