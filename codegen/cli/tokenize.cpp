// SPDX-License-Identifier: Apache-2.0
// openinfer tokenize and detokenize: text to ids and back, byte for byte.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "codegen/cli/commands.h"
#include "codegen/cli/options.h"
#include "codegen/cli/run.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"

namespace openinfer::cli {

void add_tokenize(CLI::App& app, Action& action) {
  struct Options {
    std::string model, text;
    bool json = false, no_specials = false, chat = false;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("tokenize", "Print the token ids of a text");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  auto* text = command->add_option("TEXT", options->text, "The text; standard input, byte for byte, when absent");
  command->add_flag("--json", options->json, "Print {\"ids\": [1, 2, 3]} instead of 1,2,3");
  command->add_flag("--no-specials", options->no_specials, "Do not add the model's own begin and end tokens");
  command->add_flag("--chat", options->chat, "Apply the chat template: the text is a user's message");
  command->footer(
      "Examples:\n  openinfer tokenize smollm2.oinf \"Hello world\"\n  openinfer tokenize smollm2.oinf --json < "
      "book.txt");
  command->callback([options, text, &action] {
    action = [options, from_stdin = text->count() == 0] {
      const Model model = open_model(options->model);
      const Tokenizer tokenizer = open_tokenizer(model, "tokenize");
      const std::string given = from_stdin ? read_stdin() : options->text;
      if (!options->chat) warn_of_missing_bytes(tokenizer, given);
      const auto ids = options->chat ? encode_chat(tokenizer, {{"user", given, {}}})
                                     : tokenizer.encode(given, {.add_special = !options->no_specials});
      if (options->json)
        print_out("{}\n", nlohmann::json{{"ids", ids}}.dump());
      else
        print_out("{}\n", join_ids(ids));
    };
  });
}

void add_detokenize(CLI::App& app, Action& action) {
  struct Options {
    std::string model, ids;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("detokenize", "Print the text of token ids");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  auto* ids = command->add_option("IDS", options->ids, "1,2,3 or {\"ids\": [1, 2, 3]}; standard input when absent")
                  ->check(token_ids(true));
  command->footer(
      "Examples:\n  openinfer detokenize smollm2.oinf 19556,905\n  openinfer tokenize smollm2.oinf hi | openinfer "
      "detokenize smollm2.oinf");
  command->callback([options, ids, &action] {
    action = [options, from_stdin = ids->count() == 0] {
      const Model model = open_model(options->model);
      const Tokenizer tokenizer = open_tokenizer(model, "detokenize");
      const auto text = tokenizer.decode_bytes(parse_ids(from_stdin ? read_stdin() : options->ids));
      print_text(text);
      if (isatty(STDOUT_FILENO)) print_out("\n");  // elsewhere the bytes are exactly the text's
    };
  });
}

}  // namespace openinfer::cli
