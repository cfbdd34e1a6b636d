// SPDX-License-Identifier: Apache-2.0
// openinfer run: its flags, and what its ways of running share (run_text.cpp, run_chat.cpp, run_encoder.cpp,
// run_tensors.cpp).
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/cli/architectures.h"
#include "codegen/cli/encoder_model.h"
#include "codegen/cli/generate.h"
#include "codegen/cli/output_file.h"
#include "codegen/cli/row_model.h"
#include "codegen/cli/saved_run.h"
#include "openinfer/sim.h"
#include "openinfer/text.h"

namespace openinfer::cli {

struct RunOptions {
  std::string model;
  std::optional<std::string> prompt, prompt_ids, system;
  std::string text_flag;  // the first given of the prompt and of what only changes its answer; "": none
  bool chat = false;
  GenerateOptions generate;
  SamplerOptions sampler;
  bool print_ids = false;
  std::string logits, trace, stats;    // files
  std::string save_state, load_state;  // files
  std::string backend;                 // "": compiled for this CPU where that can be, else the simulator
  std::string numerics = "strict", kv_dtype, graph, gpu;
  std::optional<std::int64_t> max_context;
  std::int64_t memory_budget = 0;  // bytes; 0: none
  std::vector<std::string> inputs, outputs, dims, watch;
  bool find_nonfinite = false;
  int threads = 0;
};

/// One prompt and its answer: a conversation has several. Tokens that the cache held already do not count.
struct PromptTiming {
  std::int64_t prompt_tokens = 0;
  double prompt_s = 0;
  std::int64_t generated_tokens = 0, generate_steps = 0;  // the first token comes of the prompt's step
  double generate_s = 0;

  std::string text() const;  // "prompt 3 tokens in 0.02 s, 150.0/s; generated 12 tokens in 0.30 s, 36.7/s"
};

/// Figures of a run, for --stats and the last line on stderr.
struct RunStats {
  double load_s = 0;
  PromptTiming total;
  std::vector<PromptTiming> prompts;
  std::uint64_t bytes_read = 0;

  std::string backend = "sim";
  std::string device = "";  // SimSession::device

  void add(const PromptTiming& prompt);
  void print(const std::string& origin) const;  // one line on stderr: which graph, on what, how fast
  void write(OutputFile& file) const;           // JSON
};

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// --backend, --gpu, --numerics, --graph, --kv-dtype and --threads, and what of them does not fit together.
/// Errors: unsupported; wrong usage of `command`.
void add_backend_flags(CLI::App& command, RunOptions& options);
void check_backend(const RunOptions& options, std::string_view command);

/// The flag that needs the simulator, whose nodes it looks at; "" if none is given.
std::string_view looks_inside(const RunOptions& options);

/// "sim (the reference interpreter)": how messages call a backend.
std::string describe_backend(const std::string& backend);

/// The open package, its graph, and what the flags ask to record: one for each run.
class Run {
 public:
  explicit Run(const RunOptions& options);

  const RunOptions& options;
  const Clock::time_point start = Clock::now();
  const Model model;
  const ChosenGraph chosen;
  RunStats stats;

  std::map<std::string, std::int64_t> dims() const;  // --dim
  /// On the backend that was asked for; else compiled for this CPU, or, after a line on stderr that says why,
  /// simulated. Last of all that can fail before the first step, for it may take the compiler's time. `why_not`: what
  /// compiled code cannot do for this run, "" if there is nothing. Errors: those of SimSession; unsupported for a
  /// `why_not` where compiled code was asked for.
  SimSession session(std::map<std::string, std::int64_t> dims, std::string why_not = "");
  /// Starts --trace and --watch on the session, and ends what load_s measures.
  void attach(SimSession& session);
  /// Completes the trace and the statistics.
  void finish(SimSession& session);

 private:
  std::optional<OutputFile> trace_, stats_file_;
  std::string note_;  // for stderr once nothing of what was asked for can be wrong any more
};

void run_text(Run& run);                                      // PROMPT or --prompt-ids
void run_chat(Run& run);                                      // --chat without a prompt on a terminal: a conversation
void run_tensors(Run& run);                                   // --input and --output
void run_encoder(Run& run, const EncoderContract& contract);  // an encoder, which generates nothing

/// Prints every value of that name to stderr as it is computed.
void watch(SimSession& session, const std::string& name);

/// The context to allocate: --max-context, else `wanted` cut to the graph's bound.
/// Errors: invalid_argument if --max-context is beyond that bound.
std::int64_t choose_context(const RunOptions& options, const RowContract& contract, std::int64_t wanted);

/// The chat template applied, as ids.
std::vector<TokenId> encode_chat(const Tokenizer& tokenizer, const std::vector<ChatMessage>& messages);

/// Generates behind `ids` and prints text, or ids, to stdout as they come. `timing` has the prompt's part; stats get it
/// all.
Answer print_answer(Run& run, RowModel& rows, Tensor logits, std::vector<TokenId>& ids, const Tokenizer* tokenizer,
                    Sampler& sampler, PromptTiming timing);

}  // namespace openinfer::cli
