// SPDX-License-Identifier: Apache-2.0
#include "lib/text/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

#include "lib/base/fail.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

/// `\w` of Unicode's regular expressions (UTS 18, annex C), up to Other_Alphabetic.
bool is_word(const Utf8Step& step) {
  if (!step.valid) return false;
  const auto kind = utf8proc_category(static_cast<utf8proc_int32_t>(step.code_point));
  // Letters and marks are the categories from LU to ME of utf8proc's list.
  return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_ME) || kind == UTF8PROC_CATEGORY_ND ||
         kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_PC;
}

bool is_white(const Utf8Step& step) { return step.valid && is_space(step.code_point); }

}  // namespace

void AddedTokens::add(std::string_view text, AddedToken token, bool control) {
  if (text.empty()) return;  // never matches
  if (text.size() > kLongest)
    fail(ErrorCode::unsupported, "[tokenizer] added token {} has {} bytes; at most {} are supported", token.id,
         text.size(), kLongest);
  std::int32_t node = 0;
  for (const char byte : text) {
    std::int32_t next = child(node, byte);
    if (next < 0) {
      next = static_cast<std::int32_t>(nodes_.size());
      nodes_.push_back({-1, -1, nodes_[static_cast<std::size_t>(node)].first_child, byte});
      nodes_[static_cast<std::size_t>(node)].first_child = next;
    }
    node = next;
  }
  nodes_[static_cast<std::size_t>(node)].entry = static_cast<std::int32_t>(entries_.size());
  entries_.push_back({token, control});
  starts_[static_cast<unsigned char>(text.front())] = true;
}

std::int32_t AddedTokens::child(std::int32_t node, char byte) const {
  std::int32_t at = nodes_[static_cast<std::size_t>(node)].first_child;
  while (at >= 0 && nodes_[static_cast<std::size_t>(at)].byte != byte)
    at = nodes_[static_cast<std::size_t>(at)].sibling;
  return at;
}

AddedTokens::Match AddedTokens::find(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<unsigned char>(text[begin])]) continue;
    Match match;
    std::int32_t node = 0;
    for (std::size_t at = begin; at < text.size() && (node = child(node, text[at])) >= 0; ++at)
      if (const auto entry = nodes_[static_cast<std::size_t>(node)].entry; entry >= 0) match = {begin, at + 1, entry};
    if (match.entry >= 0) return match;
  }
  return {};
}

bool AddedTokens::accept(std::string_view text, const Match& match, bool parse_control, std::size_t done,
                         Extent& extent) const {
  const Entry& entry = entries_[static_cast<std::size_t>(match.entry)];
  if (entry.control && !parse_control) return false;
  if (match.begin < done) return false;  // its start went to the rstrip of the token before
  if (entry.token.single_word) {
    if (match.begin > 0 && is_word(utf8_step(text, utf8_previous(text, match.begin)))) return false;
    if (match.end < text.size() && is_word(utf8_step(text, match.end))) return false;
  }
  if (entry.token.lstrip)
    while (extent.begin > done && is_white(utf8_step(text, utf8_previous(text, extent.begin))))
      extent.begin = utf8_previous(text, extent.begin);
  if (entry.token.rstrip)
    while (extent.end < text.size() && is_white(utf8_step(text, extent.end)))
      extent.end += utf8_step(text, extent.end).length;
  return true;
}

}  // namespace openinfer::text
