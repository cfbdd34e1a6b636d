// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/trace.h"

#include <span>
#include <utility>

#include "formats/opnf/reader.h"
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

TraceWriter::TraceWriter(const std::string& path) : start_(Clock::now()) {
  try {
    file_.emplace(path, opnf::AtomicFile::Special::in_place);
  } catch (const opnf::Error& e) {
    fail(ErrorCode::io_error, "[trace] {}", e.what());
  }
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
  constexpr std::size_t kBuffer = 1 << 16;
  buffer_ += text;
  if (buffer_.size() >= kBuffer) flush();
}

void TraceWriter::flush() {
  try {
    if (error_.empty()) file_->write(std::as_bytes(std::span(buffer_)));
  } catch (const opnf::Error& e) {
    error_ = e.what();
  }
  buffer_.clear();
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
  flush();
  std::optional<opnf::AtomicFile> file = std::move(file_);
  file_.reset();
  try {
    if (error_.empty()) file->finish(), file->commit();
  } catch (const opnf::Error& e) {
    error_ = e.what();
  }
  if (!error_.empty()) fail(ErrorCode::io_error, "[trace] {}", error_);
}

}  // namespace openinfer
