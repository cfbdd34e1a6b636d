// SPDX-License-Identifier: Apache-2.0
// openinfer embed: one vector for each text, by an encoder and what its package says of pooling.
#include <fmt/ranges.h>
#include <unistd.h>

#include <cctype>
#include <cmath>
#include <cstdio>
#include <memory>
#include <sstream>

#include "codegen/cli/commands.h"
#include "codegen/cli/encoder_model.h"
#include "codegen/cli/options.h"
#include "codegen/cli/pooling.h"
#include "codegen/cli/run.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

struct EmbedOptions {
  RunOptions run;
  std::string first;  // the first TEXT
  std::optional<std::vector<std::string>> texts;
  std::string pooling;  // "": the package's
  bool raw = false, json = false;
};

/// What the package says of its embeddings, and the flags instead.
struct Sentence {
  Pooling pooling;
  bool raw;
  std::int64_t max_tokens;
};

EncoderContract require_encoder(const Run& run) {
  if (const auto contract = encoder_contract(run.chosen.graph)) return *contract;
  fail(ErrorCode::unsupported,
       "[embed] {} is no encoder: a graph (tok, types: i32[N]) -> (hidden: f32[N, D]) is needed, as of bert and "
       "roberta; the {} is {}",
       run.model.path(), run.chosen.origin, signature(run.chosen.graph));
}

Pooling choose_pooling(const Model& model, const std::string& given) {
  if (!given.empty()) return pooling_from_name(given);
  const auto stated = model.find_meta<std::string>("pooling").value_or("none");
  if (stated == "none")
    fail(ErrorCode::not_found,
         "[embed] {} does not say how rows become one vector: give --pooling mean, cls, max or "
         "last",
         model.path());
  if (stated == "custom")
    fail(ErrorCode::unsupported,
         "[embed] {} mixes or weights its rows in a way that is not known here: give --pooling mean, cls, max or last",
         model.path());
  return pooling_from_name(stated);
}

Sentence sentence_of(const Model& model, const EncoderContract& contract, const EmbedOptions& options) {
  const auto most = model.find_meta<std::int64_t>("max_tokens").value_or(contract.max_tokens);
  if (most < 1) fail(ErrorCode::invalid_argument, "[embed] {} takes max_tokens = {} tokens", model.path(), most);
  return {choose_pooling(model, options.pooling), options.raw, std::min(most, contract.max_tokens)};
}

/// A text that is too long loses its end, as sentence-transformers cuts it, and stderr says so.
Encoding encode_text(const Tokenizer& tokenizer, const std::string& text, std::size_t number, std::int64_t max_tokens) {
  warn_of_missing_bytes(tokenizer, text);
  auto encoding = tokenizer.encode_texts(text);
  const auto count = encoding.ids.size(), most = static_cast<std::size_t>(max_tokens);
  if (count == 0) fail(ErrorCode::invalid_argument, "[embed] text {} has no tokens: nothing to embed", number);
  if (count <= most) return encoding;
  print_err("openinfer: warning: text {} has {} tokens, the model takes {}: its end is cut off\n", number, count, most);
  return tokenizer.encode_texts(text, {}, {.max_tokens = most});
}

/// Lines without their ends, the last one whether it ends or not: as many embeddings as lines.
std::vector<std::string> texts_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

std::string embed(SimSession& session, const EncoderContract& contract, const Encoding& text, const Sentence& sentence,
                  std::size_t number) {
  const auto vector = pool(hidden_state(session, contract, text), sentence.pooling, !sentence.raw);
  for (const float value : vector)
    if (!std::isfinite(value))
      fail(ErrorCode::invalid_argument, "[embed] the embedding of text {} holds {}: see the package's weights", number,
           value);
  return fmt::format("{}", fmt::join(vector, ", "));  // the shortest decimals that read back as the same f32
}

void print(const std::vector<std::string>& vectors, bool json) {
  if (json)
    return print_out("{{\"embeddings\": [{}{}{}]}}\n", vectors.empty() ? "" : "[", fmt::join(vectors, "], ["),
                     vectors.empty() ? "" : "]");
  for (const auto& vector : vectors) print_out("{}\n", vector);
}

/// All texts behind the first, as given. CLI11 has lists of arguments too, but takes "[a,b]" apart.
void add_extras(std::vector<std::string>& texts, const std::vector<std::string>& extras) {
  bool flags = true;
  for (const auto& word : extras) {
    if (flags && word.size() > 1 && word[0] == '-' && word != "--" &&
        !std::isdigit(static_cast<unsigned char>(word[1])))
      throw UsageError(fmt::format("embed: there is no flag {}; for texts that look like one: M -- TEXT…", word));
    if (word != "--" || !flags) texts.push_back(word);
    flags = flags && word != "--";
  }
}

void run_embed(const EmbedOptions& options) {
  if (!options.run.gpu.empty() && options.run.backend != "vulkan")
    throw UsageError("embed: --gpu names a device of --backend vulkan");
  if (!options.texts && isatty(STDIN_FILENO))
    throw UsageError("embed: give TEXT…, or one text a line on standard input");
  const auto texts = options.texts ? *options.texts : texts_of(std::string(without_mark(read_stdin())));
  Run run(options.run);
  const auto contract = require_encoder(run);
  const auto sentence = sentence_of(run.model, contract, options);
  const Tokenizer tokenizer = open_tokenizer(run.model, "embed");
  std::vector<Encoding> encodings;
  for (const auto& text : texts)
    encodings.push_back(encode_text(tokenizer, text, encodings.size() + 1, sentence.max_tokens));

  SimSession session = run.session({});
  run.attach(session);
  const auto start = Clock::now();
  std::vector<std::string> vectors;
  for (const auto& encoding : encodings) {
    vectors.push_back(embed(session, contract, encoding, sentence, vectors.size() + 1));
    run.stats.total.prompt_tokens += static_cast<std::int64_t>(encoding.ids.size());
  }
  run.stats.total.prompt_s = seconds_since(start);
  print(vectors, options.json);
  run.finish(session);
}

}  // namespace

void add_embed(CLI::App& app, Action& action) {
  auto options = std::make_shared<EmbedOptions>();
  auto& run = options->run;
  auto* command = app.add_subcommand("embed", "Print sentence embeddings by an encoder");
  command->add_option("M", run.model, "Package (.oinf) of an encoder")->required();
  auto* text =
      command->add_option("TEXT", options->first, "One text or several; standard input, one text a line, when absent");
  command->allow_extras();
  command->add_flag("--json", options->json, "Print {\"embeddings\": [[…], …]} instead of a line for each text");
  command
      ->add_option("--pooling", options->pooling,
                   "From rows to one vector: mean, cls (the first row), max, last (default: as the package says)")
      ->check(CLI::IsMember({"mean", "cls", "max", "last"}));
  command->add_flag("--raw", options->raw, "As pooled, and not of length 1: for models whose lengths mean something");
  command
      ->add_option("--backend", run.backend,
                   "cpu: compiled for this machine (default, if a C++ compiler is there); sim: the reference "
                   "interpreter (default otherwise); vulkan: compiled for its GPU")
      ->check(CLI::IsMember({"sim", "cpu", "vulkan"}));
  command->add_option("--gpu", run.gpu, "--backend vulkan: a part of the device's name (default: the first)");
  command->add_option("--graph", run.graph, "Run this graph text (.oig) instead of the package's");
  command->add_option("--threads", run.threads, "0: all processors")->check(whole_number(0, 1024));
  command->footer(
      "Examples:\n  openinfer embed minilm.oinf \"a cat\" \"a dog\" --json\n  openinfer embed minilm.oinf < lines.txt");
  command->callback([options, command, text, &action] {
    if (text->count() > 0) add_extras(options->texts.emplace({options->first}), command->remaining());
    action = [options] { run_embed(*options); };
  });
}

}  // namespace openinfer::cli
