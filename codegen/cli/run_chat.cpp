// SPDX-License-Identifier: Apache-2.0
// A conversation on the terminal. Each turn renders the whole conversation and feeds what the cache does not hold yet.
#include <fmt/format.h>

#include <iostream>
#include <string>

#include "codegen/cli/options.h"
#include "codegen/cli/run.h"

namespace openinfer::cli {
namespace {

constexpr std::int64_t kChatContext = 4096;  // positions for a conversation, unless --max-context says more

/// Answers one line; a turn that does not fit into the context is taken back.
void turn(Run& run, RowModel& rows, const Tokenizer& tokenizer, std::vector<ChatMessage>& messages, Sampler& sampler) {
  auto ids = encode_chat(tokenizer, messages);
  if (static_cast<std::int64_t>(ids.size()) > rows.context()) {
    messages.pop_back();
    fmt::print(stderr,
               "openinfer: the conversation's {} tokens do not fit into the context of {}; /reset begins anew\n",
               ids.size(), rows.context());
    return;
  }
  const auto before = rows.rows_run();
  const auto start = Clock::now();
  Tensor logits = rows.feed(ids);
  run.stats.prompt_s += seconds_since(start);
  run.stats.prompt_tokens += rows.rows_run() - before;
  const auto answer = print_answer(run, rows, std::move(logits), ids, &tokenizer, sampler);
  messages.push_back({"assistant", answer.text, {}});
}

std::vector<ChatMessage> beginning(const RunOptions& options) {
  std::vector<ChatMessage> messages;
  if (options.system) messages.push_back({"system", *options.system, {}});
  return messages;
}

bool read_line(std::string& line) {
  fmt::print(stderr, "> ");
  return static_cast<bool>(std::getline(std::cin, line));
}

}  // namespace

void run_chat(Run& run) {
  const auto& options = run.options;
  const auto contract = row_contract(run.chosen.graph);
  const Tokenizer tokenizer = open_tokenizer(run.model, "run --chat");
  RowModel rows(run.chosen.graph, choose_context(options, contract, kChatContext), run.dims(),
                [&](auto dims) { return run.session(std::move(dims)); });
  run.attach(rows.session());
  Sampler sampler(options.sampler);
  auto messages = beginning(options);
  fmt::print(stderr, "openinfer: {}, backend {}\n", run.chosen.origin, describe_backend(run.stats.backend));
  fmt::print(stderr, "openinfer: /quit or Ctrl-D ends, /reset forgets the conversation\n");
  for (std::string line; read_line(line);) {
    if (line == "/quit") break;
    if (line == "/reset") messages = beginning(options);
    if (line.empty() || line == "/reset") continue;
    messages.push_back({"user", line, {}});
    turn(run, rows, tokenizer, messages, sampler);
  }
  fmt::print(stderr, "\n");
  run.finish(rows.session());
}

}  // namespace openinfer::cli
