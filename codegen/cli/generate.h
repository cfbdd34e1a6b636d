// SPDX-License-Identifier: Apache-2.0
// From logits to an answer: samples, feeds what was sampled, and hands out text or ids as they come.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/cli/row_model.h"
#include "openinfer/text.h"

namespace openinfer::cli {

/// Text that may go out now: holds back what could be the beginning of a stop text.
class StopFilter {
 public:
  explicit StopFilter(std::vector<std::string> stops);
  /// The part of what came so far that is surely before any stop text.
  std::string push(std::string_view text);
  std::string finish();  // what was held back; nothing if a stop text came
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

struct GenerateOptions {
  std::int64_t max_tokens = 128;
  bool ignore_eos = false;
  std::vector<std::string> stops = {};
};

struct Answer {
  enum class End { max_tokens, end_token, stop_text, context };

  std::vector<TokenId> ids;  // an end token included
  std::string text;          // without end token and stop text; empty without a tokenizer
  End end = End::max_tokens;
  std::int64_t steps = 0;  // model steps after the prompt
  double seconds = 0;
};

/// Called for each token with what may be shown of it: its text (whole characters; may be empty), and its id.
using Emit = std::function<void(std::string_view text, std::optional<TokenId> id)>;

/// `ids` is the prompt, which the model holds; sampled ids are appended. `tokenizer` may be null: then there is no text
/// and no end token.
Answer generate(RowModel& model, Tensor logits, std::vector<TokenId>& ids, const Tokenizer* tokenizer, Sampler& sampler,
                const GenerateOptions& options, const Emit& emit);

}  // namespace openinfer::cli
