// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>

#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

/// Length of the longest end of `text` that is a beginning of `stop`.
std::size_t overlap(std::string_view text, std::string_view stop) {
  for (std::size_t n = std::min(text.size(), stop.size()); n > 0; --n)
    if (stop.starts_with(text.substr(text.size() - n))) return n;
  return 0;
}

/// Text of the ids, filtered; without a tokenizer there is none.
class Words {
 public:
  Words(const Tokenizer* tokenizer, const std::vector<std::string>& stops) : filter_(stops) {
    if (tokenizer) decoder_.emplace(*tokenizer);
  }
  std::string push(TokenId id) { return decoder_ ? keep(filter_.push(decoder_->push(id))) : ""; }
  std::string finish() {
    if (!decoder_ || filter_.stopped()) return "";
    auto text = filter_.push(decoder_->finish());
    return keep(text + filter_.finish());
  }
  bool stopped() const { return filter_.stopped(); }
  const std::string& all() const { return all_; }

 private:
  std::string keep(std::string text) {
    all_ += text;
    return text;
  }

  std::optional<StreamDecoder> decoder_;
  StopFilter filter_;
  std::string all_;
};

/// Errors: those of the sampler; of logits that are no numbers with the flag that finds where they come from.
TokenId next_token(Sampler& sampler, std::span<const float> logits) try {
  return sampler.next(logits);
} catch (const Error& error) {
  if (std::ranges::all_of(logits, [](float x) { return std::isfinite(x); })) throw;
  fail(error.code(), "{}; --find-nonfinite names the first node whose values are not finite", error.message());
}

}  // namespace

StopFilter::StopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) { std::erase(stops_, std::string()); }

std::string StopFilter::push(std::string_view text) {
  if (stopped_) return "";
  held_ += text;
  auto stop_at = held_.npos;
  for (const auto& stop : stops_) stop_at = std::min(stop_at, held_.find(stop));
  stopped_ = stop_at != held_.npos;
  std::size_t hold = 0;
  for (const auto& stop : stops_) hold = std::max(hold, overlap(held_, stop));
  const auto out = held_.substr(0, stopped_ ? stop_at : held_.size() - hold);
  held_.erase(0, stopped_ ? held_.size() : out.size());
  return out;
}

std::string StopFilter::finish() { return std::exchange(held_, {}); }

Answer generate(RowModel& model, Tensor logits, std::vector<TokenId>& ids, const Tokenizer* tokenizer, Sampler& sampler,
                const GenerateOptions& options, const Emit& emit) {
  const auto start = std::chrono::steady_clock::now();
  Answer answer;
  Words words(tokenizer, options.stops);
  for (std::int64_t n = 0; n < options.max_tokens; ++n) {
    const TokenId id = next_token(sampler, logits.data<float>());
    ids.push_back(id);
    answer.ids.push_back(id);
    if (tokenizer && !options.ignore_eos && tokenizer->is_end(id)) {
      answer.end = Answer::End::end_token;
      emit("", id);
      break;
    }
    emit(words.push(id), id);
    if (words.stopped()) {
      answer.end = Answer::End::stop_text;
      break;
    }
    if (n + 1 == options.max_tokens) break;
    if (static_cast<std::int64_t>(ids.size()) > model.context()) {
      answer.end = Answer::End::context;
      break;
    }
    logits = model.feed(ids);
    ++answer.steps;
  }
  emit(words.finish(), std::nullopt);
  answer.text = words.all();
  answer.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return answer;
}

}  // namespace openinfer::cli
