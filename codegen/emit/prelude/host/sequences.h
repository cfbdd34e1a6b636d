// Several prompts at once: each sequence in a slot of its own, and every step gives each of them one more token.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "rows.h"

namespace MODEL_NAME {

/// The first of the largest logits. Errors: one is NaN or +inf, or all are -inf.
inline std::int32_t greedy(std::span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr const char* kRemedy = "; `openinfer run --find-nonfinite` names the first node whose values are not finite";
  float most = -kInfinity;
  std::size_t id = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] <= most) continue;  // never so for NaN
    if (!(logits[i] < kInfinity))
      throw Error("logit " + std::to_string(i) + " of " + std::to_string(logits.size()) + " is " +
                  std::to_string(logits[i]) + kRemedy);
    most = logits[id = i];
  }
  if (most == -kInfinity) throw Error("all " + std::to_string(logits.size()) + " logits are -inf" + kRemedy);
  return static_cast<std::int32_t>(id);
}

/// Prompts wait until a slot is free. Between two steps at most one is taken in, so that those that run do not wait for
/// more.
class Sequences {
 public:
  struct Limits {
    std::int64_t tokens, context;  // of an answer, of a slot
  };
  /// What is there of a prompt's answer.
  struct Answer {
    std::vector<std::int32_t> ids = {};
    bool done = false, full = false;  // full: the context was
  };

  Sequences(Rows& rows, std::span<const std::vector<std::int32_t>> prompts, Limits limits)
      : rows_(rows), prompts_(prompts), limits_(limits), answers_(prompts.size()) {
    for (std::int32_t slot = rows.slots(); slot-- > 0;) free_.push_back(slot);
  }

  const std::vector<Answer>& answers() const { return answers_; }
  bool done() const { return next_ == prompts_.size() && running_.empty(); }

  /// Runs one prompt, if one waits and a slot is free. Returns its tokens. `is_end`: does an id end an answer?
  template <class IsEnd>
  std::int64_t take_in(const IsEnd& is_end) {
    if (next_ == prompts_.size() || free_.empty()) return 0;
    const Running now = {next_++, free_.back()};
    free_.pop_back();
    rows_.rewind(0, now.slot);
    const auto& prompt = prompts_[now.prompt];
    go_on(now, rows_.feed(prompt, now.slot), is_end);
    return static_cast<std::int64_t>(prompt.size());
  }
  /// One more token of every sequence that runs. Returns how many.
  template <class IsEnd>
  std::int64_t decode(const IsEnd& is_end) {
    if (running_.empty()) return 0;
    step_.clear();
    for (const Running& now : running_) step_.push_back({answers_[now.prompt].ids.back(), now.slot});
    const std::span<const float> logits = rows_.feed_each(step_);
    const auto vocab = static_cast<std::size_t>(rows_.vocab());
    std::vector<Running> before;
    before.swap(running_);
    for (std::size_t i = 0; i < before.size(); ++i) go_on(before[i], logits.subspan(i * vocab, vocab), is_end);
    return static_cast<std::int64_t>(before.size());
  }

 private:
  struct Running {
    std::size_t prompt;
    std::int32_t slot;
  };
  template <class IsEnd>
  void go_on(const Running& now, std::span<const float> logits, const IsEnd& is_end) {
    Answer& answer = answers_[now.prompt];
    if (limits_.tokens > 0) answer.ids.push_back(greedy(logits));
    answer.done = static_cast<std::int64_t>(answer.ids.size()) == limits_.tokens || is_end(answer.ids.back());
    answer.full = !answer.done && rows_.held(now.slot) == limits_.context;
    answer.done = answer.done || answer.full;
    if (answer.done)
      free_.push_back(now.slot);
    else
      running_.push_back(now);
  }

  Rows& rows_;
  std::span<const std::vector<std::int32_t>> prompts_;
  Limits limits_;
  std::vector<Answer> answers_;
  std::size_t next_ = 0;  // prompt that waits longest
  std::vector<Running> running_;
  std::vector<std::int32_t> free_;
  std::vector<Rows::Next> step_;
};

}  // namespace MODEL_NAME
