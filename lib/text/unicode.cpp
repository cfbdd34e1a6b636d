// SPDX-License-Identifier: Apache-2.0
#include "lib/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <span>

#include "lib/base/fail.h"
#include "lib/text/unicode_tables.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

bool within(std::span<const CodePointRange> table, std::uint32_t code_point) {
  const auto next = std::ranges::upper_bound(table, code_point, {}, &CodePointRange::first);
  return next != table.begin() && code_point <= std::prev(next)->last;
}

int options_of(NormalForm form) {
  switch (form) {
    case NormalForm::nfc: return UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    case NormalForm::nfd: return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    case NormalForm::nfkc: return UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    case NormalForm::nfkd: return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
  }
  return 0;
}

/// Appends the form of valid UTF-8 that holds no boundary.
void append_form(std::string& out, std::string_view text, NormalForm form) {
  if (!may_change(text, form)) {
    out += text;
    return;
  }
  utf8proc_uint8_t* raw = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &raw, static_cast<utf8proc_option_t>(options_of(form)));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> buffer(raw, std::free);
  if (size < 0) fail(ErrorCode::internal, "[tokenizer] normalisation fails: {}", utf8proc_errmsg(size));
  out.append(reinterpret_cast<const char*>(raw), static_cast<std::size_t>(size));
}

}  // namespace

bool is_numeric(std::uint32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : within(kNumbers, c); }
bool is_punctuation(std::uint32_t c) { return within(kPunctuation, c); }
bool is_accent(std::uint32_t c) { return c >= 0x300 && within(kAccents, c); }
bool is_bert_accent(std::uint32_t c) { return c >= 0x300 && within(kBertAccents, c); }
bool is_bert_removed(std::uint32_t c) { return within(kBertRemoved, c); }

bool is_cjk(std::uint32_t c) {
  return c >= 0x3400 && (c <= 0x4DBF || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
                         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
                         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F));
}

void append_lower(std::string& out, std::uint32_t c) {
  if (c < 0x80) return out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
  if (c == 0x130) return out.append("i\u0307"), void();
  const auto next = std::ranges::upper_bound(kLower, c, {}, &CaseRange::first);
  if (next != std::begin(kLower)) {
    const CaseRange& range = *std::prev(next);
    if (c <= range.last && (c - range.first) % range.step == 0)
      c = static_cast<std::uint32_t>(static_cast<std::int32_t>(c) + range.delta);
  }
  append_utf8(out, c);
}

bool may_change(std::string_view text, NormalForm form) {
  // The first characters that change: U+00A0 (NFKC, NFKD), U+00C0 (NFD), U+0300 (NFC).
  const unsigned char lead = form == NormalForm::nfc ? 0xCC : form == NormalForm::nfd ? 0xC3 : 0xC2;
  return std::ranges::any_of(text, [lead](char c) { return static_cast<unsigned char>(c) >= lead; });
}

std::string normal_form(std::string_view text, NormalForm form) {
  std::string out;
  out.reserve(text.size());
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = utf8_step(text, at);
    if (!step.valid || within(kBoundaries, step.code_point)) {
      append_form(out, text.substr(start, at - start), form);
      out += text.substr(at, step.length);
      start = at + step.length;
    }
    at += step.length;
  }
  append_form(out, text.substr(start), form);
  return out;
}

std::size_t grapheme_end(std::string_view text, std::size_t at) {
  utf8proc_int32_t state = 0;
  Utf8Step step = utf8_step(text, at);
  for (at += step.length; at < text.size();) {
    const Utf8Step next = utf8_step(text, at);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(step.code_point),
                                         static_cast<utf8proc_int32_t>(next.code_point), &state))
      break;
    at += next.length;
    step = next;
  }
  return at;
}

}  // namespace openinfer::text
