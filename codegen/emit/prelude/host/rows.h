// Models that take rows of tokens, one sequence at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model.h"

namespace MODEL_NAME {

/// A model that takes rows (tok, pos, slot: i32[N], rows: i32[R]) and gives logits f32[R, vocab]: one sequence in slot
/// 0, prompts in pieces of what an entry point takes.
class Rows {
 public:
  explicit Rows(Model& model) : model_(model) {
    for (const Tensor& input : model.inputs())
      if ((input.name != "tok" && input.name != "pos" && input.name != "slot" && input.name != "rows") ||
          input.dtype != "i32" || input.shape.size() != 1)
        refuse();
    has("tok") && has("rows") ? void() : refuse();
    const Tensor* logits = nullptr;
    for (const Tensor& output : model.outputs())
      if (output.name == "logits" && output.dtype == "f32" && output.shape.size() == 2) logits = &output;
    if (!logits || model.outputs().size() != 1 || !logits->shape[1].terms.empty()) refuse();
    vocab_ = logits->shape[1].constant;
    max_rows_ = most("tok");
    max_logit_rows_ = most("rows");
    single_ = model.entries().front().name;
    many_ = model.entries().back().name;
  }

  std::int64_t vocab() const { return vocab_; }
  std::int64_t held() const { return held_; }
  void rewind(std::int64_t positions) { held_ = positions; }

  /// Logits behind the last of these tokens, which follow those that the model holds.
  std::span<const float> feed(std::span<const std::int32_t> tokens) {
    while (!tokens.empty()) {
      const auto now = tokens.first(std::min(tokens.size(), static_cast<std::size_t>(max_rows_)));
      step(now, 1);
      tokens = tokens.subspan(now.size());
    }
    return logits_;
  }
  /// The same with every row's logits, a piece at a time; returns those of the last row.
  template <class F>
  std::span<const float> feed_all(std::span<const std::int32_t> tokens, const F& piece) {
    const auto most = static_cast<std::size_t>(std::min(max_rows_, max_logit_rows_));
    while (!tokens.empty()) {
      const auto now = tokens.first(std::min(tokens.size(), most));
      step(now, now.size());
      piece(std::span<const float>(logits_));
      tokens = tokens.subspan(now.size());
    }
    return std::span<const float>(logits_).last(static_cast<std::size_t>(vocab_));
  }

 private:
  [[noreturn]] void refuse() const {
    std::string types;
    for (const Tensor& t : model_.inputs()) types += " " + std::string(t.name) + ": " + model_.type(t);
    types += " ->";
    for (const Tensor& t : model_.outputs()) types += " " + std::string(t.name) + ": " + model_.type(t);
    throw Error("token ids need a model of tok, pos, slot, rows -> logits; this one is" + types +
                ": run it with --input NAME=F.npy --output NAME=F.npy");
  }
  bool has(std::string_view name) const {
    for (const Tensor& input : model_.inputs())
      if (input.name == name) return true;
    return false;
  }
  std::int64_t most(std::string_view name) const {
    for (const Tensor& input : model_.inputs())
      if (input.name == name) return model_.size(input.shape[0]);
    return 0;
  }
  /// Runs rows; logits for the last `wanted` of them.
  void step(std::span<const std::int32_t> tokens, std::size_t wanted) {
    const std::size_t n = tokens.size();
    pos_.resize(n), slot_.assign(n, 0), rows_.resize(wanted), logits_.resize(wanted * static_cast<std::size_t>(vocab_));
    for (std::size_t i = 0; i < n; ++i) pos_[i] = static_cast<std::int32_t>(held_) + static_cast<std::int32_t>(i);
    for (std::size_t i = 0; i < wanted; ++i) rows_[i] = static_cast<std::int32_t>(n - wanted + i);
    const std::int64_t N[] = {static_cast<std::int64_t>(n)}, R[] = {static_cast<std::int64_t>(wanted)};
    inputs_.clear();
    inputs_.push_back({"tok", "i32", N, tokens.data()});
    if (has("pos")) inputs_.push_back({"pos", "i32", N, pos_.data()});
    if (has("slot")) inputs_.push_back({"slot", "i32", N, slot_.data()});
    inputs_.push_back({"rows", "i32", R, rows_.data()});
    const Output outputs[] = {{"logits", logits_.data(), logits_.size() * sizeof(float)}};
    model_.run_step(n == 1 && wanted == 1 ? single_ : many_, inputs_, outputs);
    held_ += static_cast<std::int64_t>(n);
  }

  Model& model_;
  std::int64_t vocab_ = 0, max_rows_ = 0, max_logit_rows_ = 0, held_ = 0;
  std::string_view single_, many_;  // entry points: one row, and more
  std::vector<std::int32_t> pos_, slot_, rows_;
  std::vector<float> logits_;
  std::vector<Input> inputs_;
};

}  // namespace MODEL_NAME
