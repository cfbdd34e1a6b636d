// SPDX-License-Identifier: Apache-2.0
// A conversation on the terminal. Each turn renders the whole conversation and feeds what the cache does not hold yet.
#include <fmt/format.h>

#include <iostream>
#include <string>

#include "codegen/cli/options.h"
#include "codegen/cli/run.h"
#include "codegen/cli/standard_output.h"

namespace openinfer::cli {
namespace {

constexpr std::int64_t kChatContext = 4096;  // positions for a conversation, unless --max-context says more

/// Answers one line; a turn that does not fit into the context is taken back.
void turn(Run& run, RowModel& rows, const Tokenizer& tokenizer, SavedRun& conversation, Sampler& sampler) {
  auto ids = encode_chat(tokenizer, conversation.messages);
  if (static_cast<std::int64_t>(ids.size()) > rows.context()) {
    conversation.messages.pop_back();
    print_err("openinfer: the conversation's {} tokens do not fit into the context of {}; /reset begins anew\n",
              ids.size(), rows.context());
    return;
  }
  const auto before = rows.rows_run();
  const auto start = Clock::now();
  Tensor logits = rows.feed(ids);
  const PromptTiming timing = {.prompt_tokens = rows.rows_run() - before, .prompt_s = seconds_since(start)};
  const auto answer = print_answer(run, rows, std::move(logits), ids, &tokenizer, sampler, timing);
  print_err("openinfer: {}\n", run.stats.prompts.back().text());
  conversation.messages.push_back({"assistant", answer.text, {}});
  conversation.ids = std::move(ids);
  conversation.sampler = sampler.position();
}

std::vector<ChatMessage> beginning(const RunOptions& options) {
  std::vector<ChatMessage> messages;
  if (options.system) messages.push_back({"system", *options.system, {}});
  return messages;
}

bool read_line(std::string& line) {
  print_err("> ");
  return static_cast<bool>(std::getline(std::cin, line));
}

}  // namespace

void run_chat(Run& run) {
  const auto& options = run.options;
  const auto contract = row_contract(run.chosen.graph);
  refuse_source(contract, "run --chat");
  const Tokenizer tokenizer = open_tokenizer(run.model, "run --chat");
  const auto before = saved_run(options.load_state, run.model, run.chosen.graph);
  check_conversation(before, options.load_state);
  RowModel rows(run.chosen.graph, choose_context(options, contract, kChatContext), run.dims(),
                [&](auto dims) { return run.session(std::move(dims)); });
  take_up(rows, before, options.load_state);
  run.attach(rows.session());
  Sampler sampler(options.sampler);
  SavedRun conversation = before.value_or(SavedRun{.ids = {}, .messages = beginning(options)});
  if (before) sampler.resume(before->sampler);
  print_err("openinfer: {}, backend {}\n", run.chosen.origin, describe_backend(run.stats.backend));
  print_err("openinfer: /quit or Ctrl-D ends, /reset forgets the conversation\n");
  for (std::string line; read_line(line);) {
    if (line == "/quit") break;
    if (line == "/reset") conversation.messages = beginning(options);
    if (line.empty() || line == "/reset") continue;
    conversation.messages.push_back({"user", line, {}});
    turn(run, rows, tokenizer, conversation, sampler);
  }
  print_err("\n");
  if (!conversation.ids.empty()) save(rows, conversation, options.save_state);
  run.finish(rows.session());
}

}  // namespace openinfer::cli
