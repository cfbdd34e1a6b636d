// SPDX-License-Identifier: Apache-2.0
// SmolLM2-135M-Instruct on the simulator against transformers (README.md): ids, first logits, 64 greedy tokens.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "openinfer/models/llama.h"
#include "openinfer/text.h"
#include "tests/source_path.h"

using namespace openinfer;

namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

std::string package_path() {
  const char* path = std::getenv("OPENINFER_SMOLLM2");
  return path ? path : testing::source_path("build/models/smollm2.oinf");
}

Json read_json(const std::string& name) {
  std::ifstream file(testing::source_path("tests/models/" + name));
  return Json::parse(file);
}

const Json& oracle() {
  static const Json json = read_json("smollm2_oracle.json");
  return json;
}

/// Opened once for all tests. Without the package nothing here can pass.
struct Demo {
  Model model = open();
  Graph graph = models::llama(model);
  Tokenizer tokenizer{tokenizer_spec(model)};
  double tolerance = oracle()["logit_tolerance"];

  static Model open() try { return ModelLoader::open(package_path()); } catch (const Error& error) {
    FAIL(error.what() << "; scripts/demo_model.sh makes it");
    throw;
  }
};

const Demo& demo() {
  static const Demo demo;
  return demo;
}

/// Logits of all rows, or of the last one.
Tensor feed(SimSession& session, const Ids& ids, std::int32_t from, bool all_rows) {
  Ids pos(ids.size()), rows{static_cast<std::int32_t>(ids.size()) - 1};
  std::iota(pos.begin(), pos.end(), from);
  if (all_rows) rows.resize(ids.size()), std::iota(rows.begin(), rows.end(), 0);
  return session.run_step({{"tok", ids}, {"pos", pos}, {"slot", Ids(ids.size(), 0)}, {"rows", rows}})["logits"];
}

double worst_difference(std::span<const float> logits, const Json& ids, const Json& expected) {
  double worst = 0;
  REQUIRE(ids.size() == expected.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const double difference = std::abs(logits[ids[i].get<std::size_t>()] - expected[i].get<double>());
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
  }
  return worst;
}

void check_first_logits(const Json& prompt, std::span<const float> logits) {
  const auto& first = prompt["first"];
  const double tolerance = demo().tolerance;
  CHECK(worst_difference(logits, oracle()["sample_ids"], first["sample"]) <= tolerance);
  CHECK(worst_difference(logits, first["top_ids"], first["top"]) <= tolerance);
  const auto [low, high] = std::minmax_element(logits.begin(), logits.end());
  CHECK(std::abs(*high - first["max"].get<double>()) <= tolerance);
  CHECK(std::abs(*low - first["min"].get<double>()) <= tolerance);
  const double mean = std::accumulate(logits.begin(), logits.end(), 0.0) / static_cast<double>(logits.size());
  CHECK(std::abs(mean - first["mean"].get<double>()) <= tolerance);  // a mean is never further off than its logits
}

void check_every_row(const Json& prompt, const Tensor& logits) {
  const auto vocab = static_cast<std::size_t>(logits.shape()[1]);
  const auto& rows = prompt["prompt_sample"];
  REQUIRE(rows.size() == static_cast<std::size_t>(logits.shape()[0]));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    INFO("position " << row);
    const auto values = logits.data<float>().subspan(row * vocab, vocab);
    CHECK(worst_difference(values, oracle()["sample_ids"], rows[row]) <= demo().tolerance);
  }
}

std::int32_t best(std::span<const float> logits) {
  return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

void check_answer(const Json& prompt) {
  const auto ids = prompt["prompt_ids"].get<Ids>();
  const auto expected = prompt["tokens"].get<Ids>();
  const auto length = static_cast<std::int64_t>(ids.size() + expected.size());
  SimSession session(demo().model, demo().graph, {.dims = {{"slots", 1}, {"ctx", length}}});
  const bool all_rows = prompt.contains("prompt_sample");
  Tensor logits = feed(session, ids, 0, all_rows);
  if (all_rows) check_every_row(prompt, logits);
  check_first_logits(prompt, logits.data<float>().last(static_cast<std::size_t>(logits.shape()[1])));

  Ids answer = {best(logits.data<float>().last(static_cast<std::size_t>(logits.shape()[1])))};
  while (answer.size() < expected.size()) {
    const auto at = static_cast<std::int32_t>(ids.size() + answer.size() - 1);
    answer.push_back(best(feed(session, {answer.back()}, at, false).data<float>()));
  }
  CHECK(answer == expected);
}

}  // namespace

TEST_CASE("smollm2 ids equal the oracle's") {
  REQUIRE(oracle()["prompts"].size() == 8);
  for (const auto& prompt : oracle()["prompts"]) {
    INFO(prompt["name"]);
    CHECK(demo().tokenizer.encode(prompt["text"].get<std::string>()) == prompt["prompt_ids"].get<Ids>());
    CHECK(demo().tokenizer.decode(prompt["tokens"].get<Ids>()) == prompt["generated_text"].get<std::string>());
  }
}

TEST_CASE("smollm2's chat template gives the oracle's text") {
  const auto prompts = read_json("prompts.json");
  const ChatTemplate chat(demo().tokenizer.spec().chat_template);
  int chats = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (!prompts[i].contains("messages")) continue;
    std::vector<ChatMessage> messages;
    for (const auto& message : prompts[i]["messages"]) messages.push_back({message["role"], message["content"], {}});
    INFO(prompts[i]["name"]);
    CHECK(chat.apply(messages) == oracle()["prompts"][i]["text"].get<std::string>());
    ++chats;
  }
  CHECK(chats > 0);
}

TEST_CASE("smollm2 answers as transformers does") {
  for (const auto& prompt : oracle()["prompts"]) {
    INFO(prompt["name"]);
    check_answer(prompt);
  }
}
