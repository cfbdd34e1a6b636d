// SPDX-License-Identifier: Apache-2.0
#include "lib/text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "lib/base/fail.h"
#include "lib/text/unicode_tables.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

bool is_boundary(std::uint32_t code_point) {
  return std::ranges::any_of(kNfcBoundaries,
                             [&](CodePointRange r) { return r.first <= code_point && code_point <= r.last; });
}

/// Appends NFC of valid UTF-8 that holds no boundary.
void append_nfc(std::string& out, std::string_view text) {
  if (std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
    out += text;
    return;
  }
  utf8proc_uint8_t* raw = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &raw, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> buffer(raw, std::free);
  if (size < 0) fail(ErrorCode::internal, "[tokenizer] NFC fails: {}", utf8proc_errmsg(size));
  out.append(reinterpret_cast<const char*>(raw), static_cast<std::size_t>(size));
}

}  // namespace

Normalizer parse_normalizer(std::string_view name) {
  if (name.empty() || name == "none") return Normalizer::none;
  if (name == "nfc" || name == "NFC") return Normalizer::nfc;
  fail(ErrorCode::unsupported, "[tokenizer] unknown normalizer \"{}\"; known: none, nfc", name);
}

std::string normalize(Normalizer normalizer, std::string_view text, bool& changed) {
  // Below U+0300 every character is its own NFC, whatever surrounds it: lead bytes up to 0xCB.
  changed = normalizer == Normalizer::nfc &&
            std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0xCC; });
  std::string out;
  if (!changed) return out;
  out.reserve(text.size());
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    if (!step.valid || is_boundary(step.code_point)) {
      append_nfc(out, text.substr(start, at - start));
      out += text.substr(at, step.length);
      start = at + step.length;
    }
    at += step.length;
  }
  append_nfc(out, text.substr(start));
  return out;
}

}  // namespace openinfer::text
