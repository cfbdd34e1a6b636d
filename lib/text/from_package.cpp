// SPDX-License-Identifier: Apache-2.0
// The tokenizer section of a package as a TokenizerSpec. Ids and lengths are checked by Tokenizer itself.
#include <algorithm>
#include <utility>

#include "lib/base/fail.h"
#include "openinfer/model.h"
#include "openinfer/text.h"

namespace openinfer {
namespace {

/// 64-bit integers as the 32 bits that token ids and types have.
std::vector<std::int32_t> narrowed(const Model& model, std::string_view key) {
  const auto values = model.find_tokenizer<std::vector<std::int64_t>>(key).value_or(std::vector<std::int64_t>());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::in_range<std::int32_t>(values[i]))
      fail(ErrorCode::corrupt_package, "{}: tokenizer's {} has {} at {}, which does not fit 32 bits", model.path(), key,
           values[i], i);
  return std::vector<std::int32_t>(values.begin(), values.end());
}

/// Ids beyond 32 bits become -1, which Tokenizer refuses as out of range.
std::optional<TokenId> id(const Model& model, std::string_view key) {
  const auto value = model.find_tokenizer<std::int64_t>(key);
  if (!value) return std::nullopt;
  return *value == static_cast<TokenId>(*value) ? static_cast<TokenId>(*value) : -1;
}

bool flag(const Model& model, std::string_view key, bool fallback = false) {
  return model.find_tokenizer<bool>(key).value_or(fallback);
}

std::string text(const Model& model, std::string_view key) {
  return model.find_tokenizer<std::string>(key).value_or("");
}

/// added_ids names the tokens that have a flag; each flag is a list in the same order.
std::vector<AddedToken> added_tokens(const Model& model) {
  const auto ids = narrowed(model, "added_ids");
  std::vector<AddedToken> out;
  for (const TokenId id : ids) out.push_back({.id = id});
  const auto read = [&](std::string_view key, bool AddedToken::*flag) {
    const auto values = model.find_tokenizer<std::vector<bool>>(key).value_or(std::vector<bool>(ids.size()));
    if (values.size() != ids.size())
      fail(ErrorCode::corrupt_package, "{}: tokenizer's {} has {} elements, added_ids has {}", model.path(), key,
           values.size(), ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) out[i].*flag = values[i];
  };
  read("added_lstrip", &AddedToken::lstrip);
  read("added_rstrip", &AddedToken::rstrip);
  read("added_single_word", &AddedToken::single_word);
  read("added_normalized", &AddedToken::normalized);
  return out;
}

/// template_single, template_pair: ids (-1 and -2 are the texts) and, in the same order, token types.
std::vector<TemplateItem> items(const Model& model, const std::string& key) {
  const auto ids = narrowed(model, key);
  auto types = narrowed(model, key + "_types");
  if (types.empty()) types.resize(ids.size());
  if (types.size() != ids.size())
    fail(ErrorCode::corrupt_package, "{}: tokenizer's {}_types has {} elements, {} has {}", model.path(), key,
         types.size(), key, ids.size());
  std::vector<TemplateItem> out;
  for (std::size_t i = 0; i < ids.size(); ++i) out.push_back({ids[i], types[i]});
  return out;
}

std::vector<std::uint8_t> charsmap(const Model& model) {
  const auto bytes = model.find_tokenizer<std::vector<std::int64_t>>("charsmap").value_or(std::vector<std::int64_t>());
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (!std::in_range<std::uint8_t>(bytes[i]))
      fail(ErrorCode::corrupt_package, "{}: tokenizer's charsmap has {} at {}, which is no byte", model.path(),
           bytes[i], i);
  return std::vector<std::uint8_t>(bytes.begin(), bytes.end());
}

/// What of the section only some models have.
void read_model_settings(const Model& model, TokenizerSpec& spec) {
  spec.byte_fallback = flag(model, "byte_fallback");
  spec.fuse_unk = flag(model, "fuse_unk");
  spec.ignore_merges = model.find_tokenizer<bool>("ignore_merges");
  spec.continuing_prefix =
      model.find_tokenizer<std::string>("continuing_prefix").value_or(spec.model == "wordpiece" ? "##" : "");
  spec.word_suffix = text(model, "word_suffix");
  const auto longest = model.find_tokenizer<std::int64_t>("max_word_chars").value_or(100);
  spec.max_word_chars = static_cast<std::int32_t>(std::clamp<std::int64_t>(longest, 0, 1 << 20));
  spec.charsmap = charsmap(model);
  spec.remove_extra_whitespaces = flag(model, "remove_extra_whitespaces");
  spec.escape_whitespaces = flag(model, "escape_whitespaces", true);
  spec.whitespace_suffix = flag(model, "whitespace_suffix");
  spec.single = items(model, "template_single");
  spec.pair = items(model, "template_pair");
}

}  // namespace

TokenizerSpec tokenizer_spec(const Model& model) {
  if (!model.has_tokenizer())
    fail(ErrorCode::not_found, "{}: the package has no tokenizer; give token ids instead of text", model.path());
  TokenizerSpec spec;
  spec.model = model.find_tokenizer<std::string>("model").value_or("bpe");
  spec.pre = text(model, "pre");
  spec.pre_json = text(model, "pre_json");
  spec.tokens = model.find_tokenizer<std::vector<std::string>>("tokens").value_or(std::vector<std::string>());
  spec.token_types = narrowed(model, "token_types");
  spec.scores = model.find_tokenizer<std::vector<double>>("scores").value_or(std::vector<double>());
  spec.merges = model.find_tokenizer<std::vector<std::string>>("merges").value_or(std::vector<std::string>());
  spec.bos = id(model, "bos_id");
  spec.eos = id(model, "eos_id");
  spec.unk = id(model, "unk_id");
  spec.pad = id(model, "pad_id");
  spec.sep = id(model, "sep_id");
  spec.cls = id(model, "cls_id");
  spec.eos_ids = narrowed(model, "eos_ids");
  spec.add_bos = flag(model, "add_bos");
  spec.add_eos = flag(model, "add_eos");
  spec.add_space_prefix = flag(model, "add_space_prefix");
  spec.normalizer = text(model, "normalizer");
  spec.chat_template = text(model, "chat_template");
  spec.added = added_tokens(model);
  spec.decoder = text(model, "decoder");
  read_model_settings(model, spec);
  return spec;
}

}  // namespace openinfer
