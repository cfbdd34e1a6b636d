// SPDX-License-Identifier: Apache-2.0
// SmolLM2's own vocabulary, merges and pre-tokenizer, as the package carries them, against the tokenizers library
// (tests/text/oracle, made by scripts/make_text_oracle.py from the GGUF file).
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "openinfer/model.h"
#include "openinfer/text.h"
#include "tests/source_path.h"

using namespace openinfer;

namespace {

nlohmann::json text_oracle(const std::string& name) {
  std::ifstream file(testing::source_path("tests/text/oracle/" + name));
  REQUIRE(file);
  return nlohmann::json::parse(file);
}

}  // namespace

TEST_CASE("every id of the corpus equals the tokenizers library's") {
  const char* path = std::getenv("OPENINFER_SMOLLM2");
  const Model model = ModelLoader::open(path ? path : testing::source_path("build/models/smollm2.oinf"));
  const Tokenizer tokenizer(tokenizer_spec(model));
  const auto corpus = text_oracle("corpus.json"), expected = text_oracle("smollm2_ids.json");
  REQUIRE(tokenizer.vocab_size() == expected["vocab_size"]);
  REQUIRE(corpus.size() == expected["smollm"].size());
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    const auto& [parsed, plain] = std::pair(expected["smollm"][i][0], expected["smollm"][i][1]);
    INFO(corpus[i].dump(-1, ' ', true));
    const auto text = corpus[i].get<std::string>();
    CHECK(tokenizer.encode(text) == parsed.get<std::vector<TokenId>>());
    CHECK(tokenizer.encode(text, {.parse_special = false}) ==
          (plain.is_null() ? parsed : plain).get<std::vector<TokenId>>());
  }
}
