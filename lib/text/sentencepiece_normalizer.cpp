// SPDX-License-Identifier: Apache-2.0
#include "lib/text/normalizer.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

namespace {

constexpr std::string_view kVisibleSpace = "\u2581", kReplacement = "\uFFFD";

}  // namespace

SentencePieceNormalizer::SentencePieceNormalizer(const TokenizerSpec& spec,
                                                 std::shared_ptr<const PieceTrie> user_defined)
    : map_(spec.charsmap),
      user_defined_(std::move(user_defined)),
      squeeze_(spec.remove_extra_whitespaces),
      escape_(spec.escape_whitespaces),
      prefix_space_(spec.add_space_prefix && !spec.whitespace_suffix),
      suffix_space_(spec.add_space_prefix && spec.whitespace_suffix) {}

SentencePieceNormalizer::Prefix SentencePieceNormalizer::prefix(std::string_view text) const {
  if (!user_defined_->empty())
    if (const std::size_t size = user_defined_->longest(text).first; size > 0) return {text.substr(0, size), size};
  if (const auto rule = map_.longest(text)) return {rule->replacement, rule->length};
  const Utf8Step step = utf8_step(text, 0);
  if (!step.valid) return {kReplacement, 1};
  return {text.substr(0, step.length), step.length};
}

std::string_view SentencePieceNormalizer::without_leading_spaces(std::string_view text) const {
  while (!text.empty()) {
    const Prefix first = prefix(text);
    if (first.text != " ") break;
    text.remove_prefix(first.consumed);
  }
  return text;
}

void SentencePieceNormalizer::append_spaced(std::string& out, std::string_view text) const {
  for (const char c : text)
    if (c == ' ' && escape_)
      out += kVisibleSpace;
    else
      out += c;
}

std::string SentencePieceNormalizer::operator()(std::string_view text, const Call& call) const {
  if (squeeze_) text = without_leading_spaces(text);
  std::string out;
  if (text.empty()) return out;
  const std::string_view space = escape_ ? kVisibleSpace : " ";
  out.reserve(text.size() + text.size() / 2);
  if (prefix_space_) out += space;
  bool after_space = squeeze_;
  while (!text.empty()) {
    const Prefix next = prefix(text);
    text.remove_prefix(next.consumed);
    std::string_view part = next.text;
    while (after_space && part.starts_with(' ')) part.remove_prefix(1);
    if (part.empty()) continue;
    append_spaced(out, part);
    call.check_room(out.size());
    after_space = squeeze_ && part.ends_with(' ');
  }
  while (squeeze_ && out.ends_with(space)) out.erase(out.size() - space.size());
  if (suffix_space_) out += space;
  return out;
}

}  // namespace openinfer::text
