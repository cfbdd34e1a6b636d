// SPDX-License-Identifier: Apache-2.0
// A prompt, by text or ids, and its answer.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "codegen/cli/npy.h"
#include "codegen/cli/options.h"
#include "codegen/cli/run.h"
#include "codegen/cli/standard_output.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

std::string special(const Tokenizer& tokenizer, const std::optional<TokenId>& id) {
  return id ? std::string(tokenizer.piece(*id)) : std::string();
}

std::vector<TokenId> encode_prompt(const RunOptions& options, const Tokenizer* tokenizer) {
  if (options.prompt_ids) return parse_ids(*options.prompt_ids);
  if (!options.chat) {
    warn_of_missing_bytes(*tokenizer, *options.prompt);
    return tokenizer->encode(*options.prompt);
  }
  std::vector<ChatMessage> messages;
  if (options.system) messages.push_back({"system", *options.system, {}});
  messages.push_back({"user", *options.prompt, {}});
  return encode_chat(*tokenizer, messages);
}

/// Text needs the tokenizer; ids in and ids out do not, but end tokens are known by it.
std::optional<Tokenizer> tokenizer_for(const Run& run) {
  const auto& o = run.options;
  const bool text = !o.prompt_ids || (!o.print_ids && o.generate.max_tokens > 0) || !o.generate.stops.empty();
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
                    Sampler& sampler) {
  bool first = true;
  const auto emit = [&](std::string_view text, std::optional<TokenId> id) {
    if (!run.options.print_ids)
      print_out(text);
    else if (id)
      print_out("{}{}", std::exchange(first, false) ? "" : ",", *id);
    flush_out();
  };
  auto answer = generate(rows, std::move(logits), ids, tokenizer, sampler, run.options.generate, emit);
  print_out("\n");
  flush_out();
  run.stats.generate_steps += answer.steps;
  run.stats.generate_s += answer.seconds;
  if (answer.end == Answer::End::context)
    fmt::print(stderr, "openinfer: the context of {} is full; {}\n", rows.context(), rows.context_remedy());
  return answer;
}

void run_text(Run& run) {
  const auto& options = run.options;
  const auto contract = row_contract(run.chosen.graph);
  const auto tokenizer = tokenizer_for(run);
  auto ids = encode_prompt(options, tokenizer ? &*tokenizer : nullptr);
  const auto wanted =
      static_cast<std::int64_t>(ids.size()) + std::min(options.generate.max_tokens, contract.max_context);
  Sampler sampler(options.sampler);
  const auto context = choose_context(options, contract, std::max<std::int64_t>(1, wanted));
  check_ids(ids, contract, context);
  RowModel rows(run.chosen.graph, context, run.dims(), [&](auto dims) { return run.session(std::move(dims)); });
  run.attach(rows.session());
  const auto start = Clock::now();
  Tensor logits = feed_prompt(run, rows, ids);
  run.stats.prompt_tokens = static_cast<std::int64_t>(ids.size());
  run.stats.prompt_s = seconds_since(start);
  if (options.generate.max_tokens > 0)
    print_answer(run, rows, std::move(logits), ids, tokenizer ? &*tokenizer : nullptr, sampler);
  run.finish(rows.session());
}

}  // namespace openinfer::cli
