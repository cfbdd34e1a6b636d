// SPDX-License-Identifier: Apache-2.0
// openinfer run: declares the flags and picks the way to run.
#include "codegen/cli/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "codegen/cli/commands.h"
#include "codegen/cli/options.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "lib/base/fail.h"
#include "lib/text/utf8.h"

namespace openinfer::cli {
namespace {

void check_looks(const RunOptions& options) {
  const bool compiled = !options.backend.empty() && options.backend != "sim";
  if (const std::string_view flag = looks_inside(options); compiled && !flag.empty())
    throw UsageError(fmt::format("run: {} looks into the simulator; use --backend sim", flag));
  if (options.memory_budget > 0 && options.backend == "vulkan")
    throw UsageError("run: --memory-budget is for --backend sim and cpu");
}

/// Each file that the run writes is another one, and none is what it reads; a saved state may take its own place.
void check_files(const RunOptions& options) {
  std::vector<std::string> written, read = {options.graph};
  for (const auto& text : options.inputs) read.push_back(split_assignment(text).second);
  for (const auto& path : {options.logits, options.trace, options.stats, options.save_state})
    if (!path.empty()) written.push_back(path);
  for (const auto& text : options.outputs) written.push_back(split_assignment(text).second);
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (same_file(written[i], options.model))
      throw UsageError(fmt::format("run: the output {} would replace the package", written[i]));
    for (const auto& path : read)
      if (same_file(written[i], path)) throw UsageError(fmt::format("run: the output {} would replace an input", path));
    for (std::size_t j = 0; j < i; ++j)
      if (same_file(written[i], written[j])) throw UsageError(fmt::format("run: two outputs go to {}", written[i]));
  }
}

/// What may stand where something goes on.
void check_load(const RunOptions& options) {
  if (options.load_state.empty()) return;
  if (options.system) throw UsageError("run: --system begins a conversation, and --load-state goes on with one");
  if (!options.logits.empty())
    throw UsageError("run: --logits needs the whole prompt, and --load-state computes the rest");
}

void check_usage(RunOptions& options) {
  check_files(options);
  check_load(options);
  const bool tensors = !options.inputs.empty() || !options.outputs.empty();
  if (tensors && options.outputs.empty()) throw UsageError("run: --input needs --output NAME=F.npy");
  if (tensors && !options.text_flag.empty())
    throw UsageError(fmt::format("run: --input and --output replace the prompt and its flags: {} changes nothing",
                                 options.text_flag));
  if (options.system && !options.chat) throw UsageError("run: --system needs --chat");
  if (tensors || options.prompt || options.prompt_ids || (!options.load_state.empty() && !options.chat)) return;
  if (!isatty(STDIN_FILENO)) {
    options.prompt = std::string(without_mark(read_stdin()));
    if (options.chat && options.prompt->ends_with('\n')) options.prompt->pop_back();
  } else if (!options.chat) {
    throw UsageError("run: give a PROMPT, --prompt-ids, --chat, or --input and --output");
  }
}

/// UTF-8, for answers go out in whole characters; and nothing is before no text.
CLI::Validator stop_text() {
  return {[](std::string& stop) {
            if (stop.empty()) return std::string("a text to stop at is empty");
            return text::is_utf8(stop) ? std::string() : std::string("a text to stop at is not UTF-8");
          },
          ""};
}

/// A draw that is asked for and does not take place.
void warn_of_greedy(const SamplerOptions& sampler) {
  if (sampler.temperature != 0) return;
  if (sampler.top_k != 0 || sampler.top_p != 1 || sampler.min_p != 0)
    print_err("openinfer: warning: --top-k, --top-p and --min-p change nothing without --temperature above 0\n");
  if (sampler.seed != SamplerOptions{}.seed)
    print_err("openinfer: warning: --seed changes nothing without --temperature above 0\n");
}

void execute(RunOptions options) {
  if (options.numerics != "strict" && options.backend.empty()) options.backend = "cpu";  // nothing simulates it
  check_backend(options, "run");
  check_looks(options);
  const bool reads_prompt = !options.prompt;
  check_usage(options);
  if (!options.save_state.empty()) const OutputFile can_be_written(options.save_state);
  warn_of_greedy(options.sampler);
  Run run(options);
  if (options.chat && reads_prompt && options.prompt && options.prompt->empty()) {
    print_err("openinfer: the input ended without a message: nothing to answer\n");
    return;
  }
  if (!options.outputs.empty())
    run_tensors(run);
  else if (const auto encoder = encoder_contract(run.chosen.graph))
    run_encoder(run, *encoder);
  else if (options.prompt || !options.chat)
    run_text(run);
  else
    run_chat(run);
}

void add_text_flags(CLI::App& command, RunOptions& o) {
  auto* prompt = command.add_option("PROMPT", o.prompt, "Text to continue; standard input when absent");
  auto* ids = command.add_option("--prompt-ids", o.prompt_ids, "Token ids 1,2,3 instead of text")
                  ->excludes(prompt)
                  ->check(token_ids());
  command.add_flag("--chat", o.chat, "Apply the chat template; on a terminal without PROMPT: a conversation")
      ->excludes(ids);
  command.add_option("--system", o.system, "System message of the chat");
  command.add_option("-n,--max-tokens", o.generate.max_tokens, "Tokens to generate at most")
      ->capture_default_str()
      ->check(whole_number(0));
  command.add_option("--temperature", o.sampler.temperature, "0: greedy")
      ->capture_default_str()
      ->check(real_number(0, std::numeric_limits<double>::infinity()));
  command.add_option("--top-k", o.sampler.top_k, "Keep the k most probable tokens; 0: all")
      ->check(whole_number(0, INT32_MAX));
  command.add_option("--top-p", o.sampler.top_p, "Keep the fewest tokens whose probabilities sum to p")
      ->check(real_number(0, 1));
  command.add_option("--min-p", o.sampler.min_p, "Keep tokens with at least this share of the best one's probability")
      ->check(real_number(0, 1));
  command.add_option("--seed", o.sampler.seed, "Of the sampler")->capture_default_str()->check(whole_number(0));
  command.add_flag("--ignore-eos", o.generate.ignore_eos, "Go on behind end tokens");
  command
      .add_option(
          "--stop", o.generate.stops,
          "End before this text, which is not printed (--ids: behind the token that completes it); may be repeated")
      ->allow_extra_args(false)
      ->check(stop_text());
  command.add_flag("--ids", o.print_ids, "Print the generated ids, comma separated, instead of text");
  command.add_option(
      "--logits", o.logits,
      "Write the logits of every prompt position, f32 (T, vocab), to F.npy; of an encoder the last hidden state, of an "
      "encoder-decoder the answer's first");
}

void add_graph_flags(CLI::App& command, RunOptions& o) {
  add_backend_flags(command, o);
  command
      .add_option(
          "--memory-budget", o.memory_budget,
          "SIZE (64MiB) that weights, values and cache may take together: weights are read from the file as they "
          "are needed; with sim and cpu")
      ->transform(size_in_bytes());
  command.add_option("--max-context", o.max_context, "Positions that the cache holds (default: what the run needs)")
      ->check(whole_number(1));
  command.add_option("--input", o.inputs, "NAME=F.npy: any graph, one step; may be repeated")
      ->allow_extra_args(false)
      ->check(assignment());
  command.add_option("--output", o.outputs, "NAME=F.npy: where an output goes; may be repeated")
      ->allow_extra_args(false)
      ->check(assignment());
  command.add_option("--dim", o.dims, "NAME=N: a dimension that no input tells; may be repeated")
      ->allow_extra_args(false)
      ->check(assignment(true));
  command
      .add_option("--watch", o.watch, "Print values of this name to stderr as they are computed; NAME.* is a prefix")
      ->allow_extra_args(false);
  command.add_flag("--find-nonfinite", o.find_nonfinite,
                   "Fail at the first node whose values are not all finite, and name it; in the simulator");
  command.add_option("--save-state", o.save_state, "Write what the session holds at the end to this file");
  command.add_option("--load-state", o.load_state,
                     "Go on where the run that wrote this file ended: PROMPT or --prompt-ids stand behind what it had, "
                     "and need not be given; with --chat the next message");
  command.add_option("--trace", o.trace, "Write every node run as trace events (Perfetto) to F.json");
  command.add_option("--stats", o.stats, "Write speeds, bytes read and peak memory to F.json");
}

}  // namespace

void check_backend(const RunOptions& options, std::string_view command) {
  if (options.backend == "cuda")
    fail(ErrorCode::unsupported, "[{}] backend cuda is not in this version; use --backend sim, cpu or vulkan", command);
  if (!options.gpu.empty() && options.backend != "vulkan")
    throw UsageError(fmt::format("{}: --gpu names a device of --backend vulkan", command));
  if (options.numerics != "strict" && options.backend == "sim")
    throw UsageError(fmt::format("{}: the simulator is the reference: --numerics {} is of --backend cpu and vulkan",
                                 command, options.numerics));
}

void add_backend_flags(CLI::App& command, RunOptions& o) {
  command
      .add_option(
          "--backend", o.backend,
          "cpu: compiled for this machine (default, if a C++ compiler is there); sim: the reference interpreter "
          "(default otherwise); vulkan: compiled for its GPU")
      ->check(CLI::IsMember({"sim", "cpu", "vulkan", "cuda"}));
  command.add_option("--gpu", o.gpu, "--backend vulkan: a part of the device's name (default: the first)");
  add_numerics(command, o.numerics);
  command.add_option("--graph", o.graph,
                     "Run this graph text (.oig) instead of the package's; a pipe is read until its writer closes it");
  command.add_option("--kv-dtype", o.kv_dtype, "Of the cache: f32 (default of strict and bf16) or f16 (of fast)")
      ->check(CLI::IsMember({"f32", "f16"}));
  command.add_option("--threads", o.threads, "0: all processors")->check(whole_number(0, 1024));
}

void add_run(CLI::App& app, Action& action) {
  auto options = std::make_shared<RunOptions>();
  auto* command = app.add_subcommand("run", "Generate text, or run any graph once");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  add_text_flags(*command, *options);
  const auto of_text =
      command->get_options([](const CLI::Option* o) { return o->get_name() != "M" && o->get_name() != "--help"; });
  add_graph_flags(*command, *options);
  command->footer(
      "Examples:\n  openinfer run smollm2.oinf --chat \"What is gravity?\" -n 64\n"
      "  openinfer run model.oinf --graph g.oig --input x=x.npy --output y=y.npy");
  command->callback([options, of_text, &action] {
    const auto given =
        std::find_if(of_text.begin(), of_text.end(), [](const CLI::Option* o) { return o->count() > 0; });
    if (given != of_text.end()) options->text_flag = (*given)->get_name();
    action = [options] { execute(*options); };
  });
}

}  // namespace openinfer::cli
