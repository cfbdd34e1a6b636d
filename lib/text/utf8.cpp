// SPDX-License-Identifier: Apache-2.0
#include "lib/text/utf8.h"

#include <cstring>

namespace openinfer::text {

namespace {

/// Length that a lead byte announces and the range of its second byte (Unicode table 3-7); length 0: not a lead.
struct Lead {
  std::uint32_t length;
  std::uint8_t low, high;
};

Lead lead_of(std::uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

/// Are the next 8 bytes there, and ASCII?
bool ascii_chunk(std::string_view text, std::size_t at) {
  std::uint64_t chunk = 0;
  if (text.size() - at < sizeof chunk) return false;
  std::memcpy(&chunk, text.data() + at, sizeof chunk);
  return (chunk & 0x8080808080808080u) == 0;
}

}  // namespace

Utf8Step utf8_step(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const Lead lead = lead_of(byte(at));
  if (lead.length == 1) return {byte(at), 1, true, false};
  if (lead.length == 0) return {0xFFFD, 1, false, false};
  std::uint32_t code_point = byte(at) & (0x7Fu >> lead.length);
  for (std::uint32_t i = 1; i < lead.length; ++i) {
    if (at + i >= text.size()) return {0xFFFD, i, false, true};
    const std::uint8_t next = byte(at + i);
    const std::uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (next < low || next > high) return {0xFFFD, i, false, false};
    code_point = code_point << 6 | (next & 0x3Fu);
  }
  return {code_point, lead.length, true, false};
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

void append_lossy(std::string& out, std::string_view text, bool byte_by_byte) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    if (step.valid)
      out += text.substr(at, step.length);
    else
      for (std::uint32_t i = 0; i < (byte_by_byte ? step.length : 1); ++i) out += "\uFFFD";
    at += step.length;
  }
}

Utf8Run utf8_run(std::string_view text, std::size_t at) {
  Utf8Run run{at, utf8_step(text, at).valid};
  while (run.end < text.size()) {
    if (run.valid && static_cast<std::uint8_t>(text[run.end]) < 0x80) {
      run.end += ascii_chunk(text, run.end) ? 8 : 1;
      continue;
    }
    const Utf8Step step = utf8_step(text, run.end);
    if (step.valid != run.valid) break;
    run.end += step.length;
  }
  return run;
}

bool is_utf8(std::string_view text) {
  const Utf8Run run = utf8_run(text, 0);
  return text.empty() || (run.valid && run.end == text.size());
}

std::size_t utf8_previous(std::string_view text, std::size_t at) {
  for (std::size_t back = 1; back <= 4 && back <= at; ++back) {
    const Utf8Step step = utf8_step(text.substr(0, at), at - back);
    if (step.valid && step.length == back) return at - back;
  }
  return at == 0 ? 0 : at - 1;
}

bool is_space(std::uint32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

}  // namespace openinfer::text
