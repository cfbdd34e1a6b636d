// SPDX-License-Identifier: Apache-2.0
// The tokenizer section of a package as a TokenizerSpec. Ids and lengths are checked by Tokenizer itself.
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

std::vector<float> scores(const Model& model) {
  const auto values = model.find_tokenizer<std::vector<double>>("scores").value_or(std::vector<double>());
  return std::vector<float>(values.begin(), values.end());
}

/// Ids beyond 32 bits become -1, which Tokenizer refuses as out of range.
std::optional<TokenId> id(const Model& model, std::string_view key) {
  const auto value = model.find_tokenizer<std::int64_t>(key);
  if (!value) return std::nullopt;
  return *value == static_cast<TokenId>(*value) ? static_cast<TokenId>(*value) : -1;
}

bool flag(const Model& model, std::string_view key) { return model.find_tokenizer<bool>(key).value_or(false); }

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

}  // namespace

TokenizerSpec tokenizer_spec(const Model& model) {
  if (!model.has_tokenizer())
    fail(ErrorCode::not_found, "{}: the package has no tokenizer; give token ids instead of text", model.path());
  TokenizerSpec spec;
  spec.model = model.find_tokenizer<std::string>("model").value_or("bpe");
  spec.pre = text(model, "pre");
  spec.tokens = model.find_tokenizer<std::vector<std::string>>("tokens").value_or(std::vector<std::string>());
  spec.token_types = narrowed(model, "token_types");
  spec.scores = scores(model);
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
  return spec;
}

}  // namespace openinfer
