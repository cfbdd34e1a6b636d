// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "codegen/cli/eval.h"
#include "codegen/cli/eval_score.h"

namespace openinfer::cli {
namespace {

using Json = nlohmann::ordered_json;

/// exp(nll of all / how many there are).
double per(const EvalResult& result, std::size_t count) {
  return std::exp(mean_and_error(result.scores.nll).mean * static_cast<double>(result.scores.nll.size()) /
                  static_cast<double>(count));
}

Json per_or_null(const EvalResult& result, std::size_t count) { return count == 0 ? Json() : Json(per(result, count)); }

struct Against {
  explicit Against(const EvalScores& s)
      : perplexity(cli::perplexity(s.reference_nll)),
        kl(mean_and_error(s.kl)),
        kl_largest(quantile(s.kl, 1)),
        kl_99(quantile(s.kl, 0.99)),
        agreement(static_cast<double>(s.same_top) / static_cast<double>(s.kl.size())) {
    const auto n = static_cast<double>(s.kl.size());
    if (n > 1) agreement_error = std::sqrt(agreement * (1 - agreement) / (n - 1));
  }
  MeanAndError perplexity, kl;
  double kl_largest, kl_99, agreement, agreement_error = 0;
};

Json against_json(const EvalResult& result) {
  if (!result.against) return nullptr;
  const Against a(result.scores);
  return {{"backend", result.against->backend},
          {"numerics", result.against->numerics},
          {"perplexity", a.perplexity.mean},
          {"perplexity_error", a.perplexity.error},
          {"kl_mean", a.kl.mean},
          {"kl_mean_error", a.kl.error},
          {"kl_99_percent", a.kl_99},
          {"kl_max", a.kl_largest},
          {"top1_agreement", a.agreement},
          {"top1_agreement_error", a.agreement_error},
          {"logit_error_max", result.scores.logit_error},
          {"logit_max", result.scores.logit_scale}};
}

/// What is read of windows, in one sentence.
std::string cut(const EvalText& text) {
  const bool one = text.windows.size() == 1;
  const auto windows = one ? fmt::format("one window of {}", text.windows[0].length)
                           : fmt::format("{} windows of {}", text.windows.size(), text.window);
  if (!text.overlap)
    return fmt::format("{}; of each the second half is scored", windows) +
           (one || text.ids.size() % text.window == 0
                ? ""
                : fmt::format(", of the last {} tokens none", text.ids.size() % text.window));
  return windows + (one ? "" : ", each from the middle of the one before") + "; every token but the first is scored";
}

std::string against_report(const EvalResult& result) {
  const Against a(result.scores);
  return fmt::format(
      "against {} ({}): perplexity {:.4f} ± {:.4f}\n"
      "  KL divergence        mean {:.3g} ± {:.1g}, 99 % {:.3g}, largest {:.3g} nats\n"
      "  same most probable   {:.3f} ± {:.3f} %\n"
      "  largest logit error  {:.3g}, of logits up to {:.3g}\n",
      result.against->backend, result.against->numerics, a.perplexity.mean, a.perplexity.error, a.kl.mean, a.kl.error,
      a.kl_99, a.kl_largest, 100 * a.agreement, 100 * a.agreement_error, result.scores.logit_error,
      result.scores.logit_scale);
}

}  // namespace

std::string eval_json(const EvalResult& result) {
  const EvalText& text = result.text;
  const MeanAndError of_tokens = perplexity(result.scores.nll);
  const double nats = mean_and_error(result.scores.nll).mean * static_cast<double>(result.scores.nll.size());
  const Json json = {
      {"model", result.model},
      {"text", text.name},
      {"backend", result.side.backend},
      {"numerics", result.side.numerics},
      {"tokens", text.ids.size()},
      {"window", text.window},
      {"windows", text.windows.size()},
      {"overlap", text.overlap},
      {"scored_tokens", result.scores.nll.size()},
      {"scored_words", text.words},
      {"scored_bytes", text.bytes},
      {"perplexity", of_tokens.mean},
      {"perplexity_error", of_tokens.error},
      {"nll", mean_and_error(result.scores.nll).mean},
      {"word_perplexity", per_or_null(result, text.words)},
      {"byte_perplexity", per_or_null(result, text.bytes)},
      {"bits_per_byte", text.bytes == 0 ? Json() : Json(nats / std::log(2.0) / static_cast<double>(text.bytes))},
      {"seconds", result.seconds},
      {"against", against_json(result)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string eval_report(const EvalResult& result) {
  const EvalText& text = result.text;
  const MeanAndError tokens = perplexity(result.scores.nll);
  std::string report = fmt::format("{}: {} tokens in {}\nperplexity {:.4f} ± {:.4f} of {} tokens\n", text.name,
                                   text.ids.size(), cut(text), tokens.mean, tokens.error, result.scores.nll.size());
  if (text.words > 0)
    report += fmt::format("  {:.6g} per word of {}, {:.6g} per byte of {}\n", per(result, text.words), text.words,
                          per(result, text.bytes), text.bytes);
  if (result.against) report += against_report(result);
  return report;
}

}  // namespace openinfer::cli
