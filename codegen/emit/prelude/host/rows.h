// Models that take rows of tokens: prompts, and sequences side by side, each in a slot of the cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model.h"

namespace MODEL_NAME {

/// A model that takes rows (tok, pos, slot: i32[N], rows: i32[R]) and gives logits f32[R, vocab]. Each sequence has a
/// slot; prompts run in pieces of what an entry point takes.
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
    for (const Entry& entry : model.entries())
      entries_.push_back({entry.name, bound("tok", entry, &Entry::Range::min), bound("tok", entry, &Entry::Range::max),
                          bound("rows", entry, &Entry::Range::max)});
    for (std::size_t e = 0; e < entries_.size(); ++e)
      if (entries_[e].rows > entries_[widest_].rows) widest_ = e;
    const Cache& cache = Model::cache();
    const std::int64_t slots = cache.slots_symbol.empty() ? cache.max_slots : model.size(cache.slots_symbol);
    held_.resize(static_cast<std::size_t>(has("slot") && slots > 0 ? slots : 1));
  }

  std::int64_t vocab() const { return vocab_; }
  /// Positions of the sequence in a slot.
  std::int64_t held(std::int32_t slot = 0) const { return held_[static_cast<std::size_t>(slot)]; }
  void rewind(std::int64_t positions, std::int32_t slot = 0) { held_[static_cast<std::size_t>(slot)] = positions; }
  std::int32_t slots() const { return static_cast<std::int32_t>(held_.size()); }

  /// Logits behind the last of these tokens, which follow those that the slot holds.
  std::span<const float> feed(std::span<const std::int32_t> tokens, std::int32_t slot = 0) {
    const auto most = static_cast<std::size_t>(largest(&Point::rows));
    const bool prompt = tokens.size() > 1;
    while (!tokens.empty()) {
      const auto now = tokens.first(std::min(tokens.size(), most));
      begin();
      for (const std::int32_t token : now) add(token, slot);
      step(1, prompt);
      tokens = tokens.subspan(now.size());
    }
    return logits_;
  }
  /// The same in slot 0 with every row's logits, a piece at a time; returns those of the last row.
  template <class F>
  std::span<const float> feed_all(std::span<const std::int32_t> tokens, const F& piece) {
    const auto most = static_cast<std::size_t>(std::min(largest(&Point::rows), largest(&Point::logit_rows)));
    const bool prompt = tokens.size() > 1;
    while (!tokens.empty()) {
      const auto now = tokens.first(std::min(tokens.size(), most));
      begin();
      for (const std::int32_t token : now) add(token, 0);
      step(now.size(), prompt);
      piece(std::span<const float>(logits_));
      tokens = tokens.subspan(now.size());
    }
    return std::span<const float>(logits_).last(static_cast<std::size_t>(vocab_));
  }
  /// A decoding step: one more token of the sequence in each of these slots. Logits of each, one row behind the other.
  struct Next {
    std::int32_t token, slot;
  };
  std::span<const float> feed_each(std::span<const Next> sequences) {
    begin();
    for (const Next& next : sequences) add(next.token, next.slot);
    step(sequences.size(), false);
    return logits_;
  }

 private:
  /// An entry point, the fewest and the most rows, and the most rows with logits that it takes.
  struct Point {
    std::string_view name;
    std::int64_t least_rows, rows, logit_rows;
  };

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
  std::int64_t bound(std::string_view name, const Entry& entry, std::int64_t Entry::Range::*which) const {
    std::int64_t count = 0;
    for (const Tensor& input : model_.inputs()) {
      if (input.name != name) continue;
      count = input.shape[0].constant;
      for (const Dim::Term& t : input.shape[0].terms)
        count += t.factor * (entry.symbols[static_cast<std::size_t>(t.symbol)].*which);
    }
    return count;
  }
  std::int64_t largest(std::int64_t Point::*count) const {
    std::int64_t most = 0;
    for (const Point& p : entries_) most = std::max(most, p.*count);
    return most;
  }

  void begin() { tok_.clear(), pos_.clear(), slot_.clear(); }
  void add(std::int32_t token, std::int32_t slot) {
    tok_.push_back(token);
    slot_.push_back(slot);
    pos_.push_back(static_cast<std::int32_t>(held_[static_cast<std::size_t>(slot)]++));
  }
  /// Runs the rows by the first entry point that takes so many, a prompt's by the one that takes most: entry points may
  /// sum in different orders, and how few rows a piece has shall not show. Logits for the last `wanted` of them.
  void step(std::size_t wanted, bool prompt) {
    const std::size_t n = tok_.size();
    rows_.resize(wanted), logits_.resize(wanted * static_cast<std::size_t>(vocab_));
    for (std::size_t i = 0; i < wanted; ++i) rows_[i] = static_cast<std::int32_t>(n - wanted + i);
    const std::int64_t N[] = {static_cast<std::int64_t>(n)}, R[] = {static_cast<std::int64_t>(wanted)};
    inputs_.clear();
    inputs_.push_back({"tok", "i32", N, tok_.data()});
    if (has("pos")) inputs_.push_back({"pos", "i32", N, pos_.data()});
    if (has("slot")) inputs_.push_back({"slot", "i32", N, slot_.data()});
    inputs_.push_back({"rows", "i32", R, rows_.data()});
    const Output outputs[] = {{"logits", logits_.data(), logits_.size() * sizeof(float)}};
    std::size_t e = prompt && entries_[widest_].least_rows <= N[0] ? widest_ : 0;
    while (e + 1 < entries_.size() && (entries_[e].rows < N[0] || entries_[e].logit_rows < R[0])) ++e;
    try {
      model_.run_step(entries_[e].name, inputs_, outputs);
    } catch (...) {
      // What a step that did not end has written lies behind what is held, and is written anew before it is read.
      for (const std::int32_t slot : slot_) --held_[static_cast<std::size_t>(slot)];
      throw;
    }
  }

  Model& model_;
  std::int64_t vocab_ = 0;
  std::vector<Point> entries_;
  std::size_t widest_ = 0;
  std::vector<std::int64_t> held_;  // by slot
  std::vector<std::int32_t> tok_, pos_, slot_, rows_;
  std::vector<float> logits_;
  std::vector<Input> inputs_;
};

}  // namespace MODEL_NAME
