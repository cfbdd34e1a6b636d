// SPDX-License-Identifier: Apache-2.0
// A prompt, by text or ids, and its answer.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "codegen/cli/npy.h"
#include "codegen/cli/options.h"
#include "codegen/cli/run.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

std::string special(const Tokenizer& tokenizer, const std::optional<TokenId>& id) {
  return id ? std::string(tokenizer.piece(*id)) : std::string();
}

std::vector<TokenId> encode_prompt(const RunOptions& options, const Tokenizer* tokenizer, bool goes_on) {
  if (options.prompt_ids) return parse_ids(*options.prompt_ids);
  if (!options.prompt) return {};
  warn_of_missing_bytes(*tokenizer, *options.prompt);
  return tokenizer->encode(*options.prompt, {.add_special = !goes_on});
}

SavedRun with_message(const RunOptions& options, const Tokenizer& tokenizer, const std::optional<SavedRun>& before) {
  check_conversation(before, options.load_state);
  SavedRun now = before.value_or(SavedRun{});
  if (options.system) now.messages.push_back({"system", *options.system, {}});
  now.messages.push_back({"user", *options.prompt, {}});
  now.ids = encode_chat(tokenizer, now.messages);
  return now;
}

/// Of an encoder-decoder: the prompt is its source, and the answer stands behind a token that the package names.
SavedRun with_source(const Run& run, const Tokenizer* tokenizer, const std::optional<SavedRun>& before) {
  const auto& options = run.options;
  if (before && (options.prompt || options.prompt_ids))
    fail(ErrorCode::invalid_argument,
         "[run] {} holds a text and the beginning of its answer, which a prompt cannot go on from: leave out the "
         "prompt, "
         "or --load-state",
         options.load_state);
  if (before) return *before;
  const auto start = run.model.find_meta<std::int64_t>("decoder_start_id");
  if (!start || !std::in_range<TokenId>(*start))
    fail(ErrorCode::not_found, "[run] {} does not say decoder_start_id, the token that answers begin behind",
         run.model.path());
  return {.source = encode_prompt(options, tokenizer, false), .ids = {static_cast<TokenId>(*start)}};
}

/// What is to be answered: behind what --load-state brought, if it did.
SavedRun with_prompt(const Run& run, const RowContract& contract, const Tokenizer* tokenizer,
                     const std::optional<SavedRun>& before) {
  const auto& options = run.options;
  if (contract.has_source) return with_source(run, tokenizer, before);
  if (options.chat) return with_message(options, *tokenizer, before);
  SavedRun now = before.value_or(SavedRun{});
  now.messages.clear();
  const auto prompt = encode_prompt(options, tokenizer, before.has_value());
  now.ids.insert(now.ids.end(), prompt.begin(), prompt.end());
  return now;
}

/// Text needs the tokenizer; ids in and ids out do not, but end tokens are known by it.
std::optional<Tokenizer> tokenizer_for(const Run& run) {
  const auto& o = run.options;
  const bool text = o.prompt || (!o.print_ids && o.generate.max_tokens > 0) || !o.generate.stops.empty();
  if (!text && !run.model.has_tokenizer()) return std::nullopt;
  return open_tokenizer(run.model, "run");
}

/// Feeds the prompt; with --logits writes every position's row as it comes.
Tensor feed_prompt(Run& run, RowModel& rows, const std::vector<TokenId>& ids) {
  if (run.options.logits.empty()) return rows.feed(ids);
  OutputFile file(run.options.logits);
  file.write(npy_header(f32, {static_cast<std::int64_t>(ids.size()), rows.contract().vocab_size}));
  Tensor last = rows.feed_all(ids, [&](const Tensor& logits) { file.write(logits.bytes()); });
  file.commit();
  return last;
}

}  // namespace

std::vector<TokenId> encode_chat(const Tokenizer& tokenizer, const std::vector<ChatMessage>& messages) {
  const auto& spec = tokenizer.spec();
  if (spec.chat_template.empty())
    fail(ErrorCode::not_found, "[run] the package has no chat template: leave out --chat and write the prompt in full");
  const ChatTemplate chat(spec.chat_template);
  ChatOptions options;
  options.bos_token = special(tokenizer, spec.bos);
  options.eos_token = special(tokenizer, spec.eos);
  const auto text = chat.apply(messages, options);
  warn_of_missing_bytes(tokenizer, messages.empty() ? std::string_view() : messages.back().content);
  return tokenizer.encode(text, {.add_special = false});  // a template writes its begin token itself
}

Answer print_answer(Run& run, RowModel& rows, Tensor logits, std::vector<TokenId>& ids, const Tokenizer* tokenizer,
                    Sampler& sampler, PromptTiming timing) {
  bool first = true;
  const auto emit = [&](std::string_view text, std::optional<TokenId> id) {
    if (!run.options.print_ids)
      print_text(text);
    else if (id)
      print_out("{}{}", std::exchange(first, false) ? "" : ",", *id);
    flush_out();
  };
  auto answer = generate(rows, std::move(logits), ids, tokenizer, sampler, run.options.generate, emit);
  print_out("\n");
  flush_out();
  timing.generated_tokens = static_cast<std::int64_t>(answer.ids.size());
  timing.generate_steps = answer.steps;
  timing.generate_s = answer.seconds;
  run.stats.add(timing);
  if (answer.end == Answer::End::context)
    print_err("openinfer: the context of {} is full; {}\n", rows.context(), rows.context_remedy());
  return answer;
}

void run_text(Run& run) {
  const auto& options = run.options;
  const auto contract = row_contract(run.chosen.graph);
  if (options.chat) refuse_source(contract, "run --chat");
  for (const auto& [name, size] : run.dims())
    if (name == contract.rows_symbol || name == contract.logit_rows_symbol)
      throw UsageError(fmt::format("run: --dim {}: the prompt tells it", name));
  const auto tokenizer = tokenizer_for(run);
  const auto before = saved_run(options.load_state, run.model, run.chosen.graph);
  SavedRun now = with_prompt(run, contract, tokenizer ? &*tokenizer : nullptr, before);
  const auto wanted =
      static_cast<std::int64_t>(now.ids.size()) + std::min(options.generate.max_tokens, contract.max_context);
  Sampler sampler(options.sampler);
  if (before) sampler.resume(before->sampler);
  // A cache of one position makes other kernels than all larger ones: -n 0 would wait for the compiler once more.
  const auto context = choose_context(options, contract, std::max<std::int64_t>(2, wanted));
  check_ids(now.ids, contract, context);
  if (contract.has_source) check_source(now.source, contract);
  RowModel rows(
      run.chosen.graph, context, run.dims(), [&](auto dims) { return run.session(std::move(dims)); }, now.source);
  take_up(rows, before, options.load_state);
  run.attach(rows.session());
  const auto start = Clock::now();
  Tensor logits = feed_prompt(run, rows, now.ids);
  const PromptTiming timing = {.prompt_tokens = rows.rows_run(), .prompt_s = seconds_since(start)};
  if (options.generate.max_tokens == 0) {
    run.stats.add(timing);
  } else {
    const auto answer =
        print_answer(run, rows, std::move(logits), now.ids, tokenizer ? &*tokenizer : nullptr, sampler, timing);
    if (options.chat) now.messages.push_back({"assistant", answer.text, {}});
  }
  now.sampler = sampler.position();
  save(rows, now, options.save_state);
  run.finish(rows.session());
}

}  // namespace openinfer::cli
