// SPDX-License-Identifier: Apache-2.0
// openinfer eval: how well a model predicts a text, and what one backend or numerics changes about it.
#include "codegen/cli/eval.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <memory>

#include "codegen/cli/commands.h"
#include "codegen/cli/eval_score.h"
#include "codegen/cli/options.h"
#include "codegen/cli/row_model.h"
#include "codegen/cli/run.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "lib/base/fail.h"
#include "lib/sim/thread_pool.h"

namespace openinfer::cli {
namespace {

constexpr std::int64_t kWindow = 512;                    // unless --max-context says otherwise
constexpr std::int64_t kLogits = std::int64_t{1} << 23;  // of one step: 32 MiB

struct EvalOptions {
  RunOptions run;
  std::string text, against;
  bool overlap = false, json = false;
};

/// --against BACKEND[:NUMERICS]
RunOptions other_side(const EvalOptions& options) {
  RunOptions other = options.run;
  const auto colon = std::min(options.against.find(':'), options.against.size());
  other.backend = options.against.substr(0, colon);
  other.numerics = colon < options.against.size() ? options.against.substr(colon + 1) : "strict";
  if (other.backend != "vulkan") other.gpu.clear();
  return other;
}

/// Begins of words: what no white space stands before.
std::size_t count_words(std::string_view text) {
  std::size_t count = 0;
  bool inside = false;
  for (const char c : text) {
    const bool space = std::isspace(static_cast<unsigned char>(c));
    count += !space && !inside;
    inside = !space;
  }
  return count;
}

/// Whether the tokenizer puts a begin token before texts: then each window has one instead of its first token.
std::optional<TokenId> begin_token(const Tokenizer& tokenizer) {
  const auto around = tokenizer.encode("");
  return !around.empty() && around.front() == tokenizer.spec().bos ? tokenizer.spec().bos : std::nullopt;
}

/// What the scored tokens spell: what the window's do without those before.
void measure(EvalText& text, const Tokenizer& tokenizer) {
  for (const EvalWindow& window : text.windows) {
    const auto ids = std::span(text.ids).subspan(window.begin, window.length);
    const auto before = tokenizer.decode_bytes(ids.first(window.first + 1), true),
               all = tokenizer.decode_bytes(ids, true);
    text.bytes += all.size() - before.size();
    text.words += count_words(all) - count_words(before);
  }
}

EvalText read(const EvalOptions& options, const Tokenizer& tokenizer, const RowContract& contract) {
  EvalText text = {.name = options.text, .overlap = options.overlap};
  const std::string bytes(without_mark(read_text(options.text)));
  warn_of_missing_bytes(tokenizer, bytes);
  text.ids = tokenizer.encode(bytes, {.parse_special = false});
  text.window = static_cast<std::size_t>(choose_context(options.run, contract, kWindow));
  text.windows = options.overlap ? windows_overlapping(text.ids.size(), text.window)
                                 : windows_side_by_side(text.ids.size(), text.window);
  if (text.windows.empty() || text.windows.front().scored() == 0)
    fail(ErrorCode::invalid_argument, "[eval] {} has {} tokens, and windows of {} tokens score none: {}", options.text,
         text.ids.size(), text.window, text.window < 3 ? "give a larger --max-context" : "give a longer text");
  for (const TokenId id : text.ids)
    if (id < 0 || id >= contract.vocab_size)
      fail(ErrorCode::invalid_argument, "[eval] the tokenizer's id {} is beyond the graph's vocabulary of {}", id,
           contract.vocab_size);
  measure(text, tokenizer);
  return text;
}

/// A line on a terminal that is written over.
class Progress {
 public:
  explicit Progress(std::size_t windows) : windows_(windows), shown_(isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (shown_) print_err_bytes("\r\033[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void window(std::size_t done, std::span<const double> nll) {
    if (!shown_ || (done < windows_ && seconds_since(last_) < 0.2)) return;
    last_ = Clock::now();
    const double left = seconds_since(start_) / static_cast<double>(done) * static_cast<double>(windows_ - done);
    const MeanAndError now = perplexity(nll);
    print_err("\r\033[Kwindow {} of {}: perplexity {:.4f} ± {:.4f}, {:.0f} s left", done, windows_, now.mean, now.error,
              left);
    std::fflush(stderr);
  }

 private:
  const std::size_t windows_;
  const bool shown_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = {};
};

/// Runs windows through one model, or two in step, and scores their rows.
class Scorer {
 public:
  Scorer(RowModel& model, RowModel* reference, int threads) : model_(model), reference_(reference), pool_(threads) {
    const auto& contract = model.contract();
    const std::int64_t rows = std::min({contract.max_rows, contract.max_logit_rows, kLogits / contract.vocab_size});
    step_ = static_cast<std::size_t>(std::max<std::int64_t>(1, rows));
  }

  void window(std::span<const TokenId> ids, std::size_t first) {
    model_.forget();
    if (reference_) reference_->forget();
    for (std::size_t at = 0; at + 1 < ids.size(); at += step_) {  // nothing is behind the last row
      const auto part = ids.subspan(at, std::min(step_, ids.size() - 1 - at));
      const std::size_t unscored = first > at ? std::min(first - at, part.size()) : 0;
      const Tensor logits = model_.append(part, unscored);
      const Tensor reference = reference_ ? reference_->append(part, unscored) : Tensor();
      score(logits, reference, ids.subspan(at + unscored + 1, part.size() - unscored));
    }
  }
  const EvalScores& scores() const { return scores_; }

 private:
  std::span<const float> row(const Tensor& logits, std::size_t number) const {
    const auto width = static_cast<std::size_t>(logits.shape()[1]);
    return logits.data<float>().subspan(number * width, width);
  }

  /// Row i predicts next[i].
  void score(const Tensor& logits, const Tensor& reference, std::span<const TokenId> next) {
    std::vector<double> nll(next.size()), reference_nll(next.size());
    std::vector<RowDifference> differences(next.size());
    pool_.parallel_for(static_cast<std::int64_t>(next.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        const auto target = static_cast<std::size_t>(next[i]);
        nll[i] = negative_log_likelihood(row(logits, i), target);
        if (!reference_) continue;
        reference_nll[i] = negative_log_likelihood(row(reference, i), target);
        differences[i] = row_difference(row(reference, i), row(logits, i));
      }
    });
    for (std::size_t i = 0; i < next.size(); ++i) add(nll[i], reference_nll[i], differences[i]);
  }

  void add(double nll, double reference_nll, const RowDifference& difference) {
    for (const double value : {nll, reference_nll, difference.kl})
      if (!std::isfinite(value))
        fail(ErrorCode::invalid_argument, "[eval] the logits of scored token {} give {}: see the package's weights",
             scores_.nll.size() + 1, value);
    scores_.nll.push_back(nll);
    if (!reference_) return;
    scores_.reference_nll.push_back(reference_nll);
    scores_.kl.push_back(difference.kl);
    scores_.same_top += difference.same_top;
    scores_.logit_error = std::max(scores_.logit_error, difference.logit_error);
    scores_.logit_scale = std::max(scores_.logit_scale, difference.logit_scale);
  }

  RowModel& model_;
  RowModel* reference_;
  ThreadPool pool_;
  std::size_t step_ = 1;
  EvalScores scores_;
};

RowModel open_rows(Run& run, std::size_t window) {
  return RowModel(run.chosen.graph, static_cast<std::int64_t>(window), run.dims(),
                  [&](auto dims) { return run.session(std::move(dims)); });
}

EvalScores score(const EvalText& text, const Tokenizer& tokenizer, RowModel& rows, RowModel* reference, int threads) {
  const auto begin = begin_token(tokenizer);
  Scorer scorer(rows, reference, threads);
  Progress progress(text.windows.size());
  for (std::size_t i = 0; i < text.windows.size(); ++i) {
    const EvalWindow& window = text.windows[i];
    const auto part = std::span(text.ids).subspan(window.begin, window.length);
    std::vector<TokenId> ids(part.begin(), part.end());
    if (begin) ids.front() = *begin;
    scorer.window(ids, window.first);
    progress.window(i + 1, scorer.scores().nll);
  }
  return scorer.scores();
}

void run_eval(EvalOptions options) {
  if (options.run.numerics != "strict" && options.run.backend.empty()) options.run.backend = "cpu";
  const RunOptions other = other_side(options);
  check_backend(options.run, "eval");
  if (!options.against.empty()) check_backend(other, "eval: --against");
  Run run(options.run);
  if (encoder_contract(run.chosen.graph))
    fail(ErrorCode::unsupported,
         "[eval] {} is an encoder, which predicts no next token: there is no perplexity; `openinfer embed` gives "
         "embeddings",
         run.model.path());
  const auto contract = row_contract(run.chosen.graph);
  refuse_source(contract, "eval");
  const Tokenizer tokenizer = open_tokenizer(run.model, "eval");
  EvalResult result = {.model = options.run.model, .text = read(options, tokenizer, contract)};

  RowModel rows = open_rows(run, result.text.window);
  run.attach(rows.session());
  result.side = {run.stats.backend, options.run.numerics};
  std::optional<Run> against;
  std::optional<RowModel> reference;
  if (!options.against.empty()) {
    against.emplace(other);
    reference.emplace(open_rows(*against, result.text.window));
    against->attach(reference->session());
    result.against = EvalSide{other.backend, other.numerics};
  }
  const auto start = Clock::now();
  result.scores = score(result.text, tokenizer, rows, reference ? &*reference : nullptr, options.run.threads);
  result.seconds = seconds_since(start);
  options.json ? print_bytes(eval_json(result)) : print_out(eval_report(result));
  run.stats.total = {.prompt_tokens = rows.rows_run(), .prompt_s = result.seconds};
  run.finish(rows.session());
}

CLI::Validator backend_and_numerics() {
  return {[](std::string& text) {
            for (const char* backend : {"sim", "cpu", "vulkan"})
              for (const char* numerics : {"", ":strict", ":bf16", ":fast"})
                if (text == std::string(backend) + numerics) return std::string();
            return fmt::format("'{}' is not BACKEND[:NUMERICS]: sim, cpu or vulkan, and strict, bf16 or fast", text);
          },
          "{sim,cpu,cpu:bf16,cpu:fast,vulkan,vulkan:bf16,vulkan:fast}"};
}

}  // namespace

void add_eval(CLI::App& app, Action& action) {
  auto options = std::make_shared<EvalOptions>();
  auto* command = app.add_subcommand("eval", "Measure how well a model predicts a text, or what a backend changes");
  command->add_option("M", options->run.model, "Package (.oinf)")->required();
  command->add_option("--text", options->text, "The text, a file")->required();
  command
      ->add_option("--against", options->against,
                   "BACKEND[:NUMERICS]: the reference of the KL divergence, the agreement and the largest logit error")
      ->check(backend_and_numerics());
  command->add_flag(
      "--overlap", options->overlap,
      "Windows begin in the middle of one another, and every token but the first is scored (default: side "
      "by side, of each the second half is scored)");
  command->add_flag("--json", options->json, "One JSON document");
  add_backend_flags(*command, options->run);
  command->add_option("--max-context", options->run.max_context, "Tokens of a window (default: 512, or what fits)")
      ->check(whole_number(1));
  command->footer(
      "Examples:\n  openinfer eval smollm2.oinf --text wiki.txt\n"
      "  openinfer eval smollm2.oinf --text wiki.txt --backend cpu --numerics fast --against cpu --json");
  command->callback([options, &action] { action = [options] { run_eval(*options); }; });
}

}  // namespace openinfer::cli
