// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "tests/text/oracle.h"

using namespace openinfer;
using namespace openinfer::test;
using Ids = std::vector<TokenId>;

namespace {

/// One text against [ids with control tokens parsed, ids without or null].
void check(const Tokenizer& tokenizer, const std::string& text, const nlohmann::ordered_json& parsed,
           const nlohmann::ordered_json& plain) {
  INFO("text: " << nlohmann::json(text).dump(-1, ' ', true));
  CHECK(tokenizer.encode(text, {.add_special = false}) == parsed.get<Ids>());
  CHECK(tokenizer.encode(text, {.add_special = false, .parse_special = false}) ==
        (plain.is_null() ? parsed : plain).get<Ids>());
}

}  // namespace

TEST_CASE("ids equal those of the tokenizers library for every pre-tokenizer", "[tokenizer]") {
  const auto corpus = oracle("corpus.json");
  const auto expected = oracle("small_ids.json");
  for (const std::string pre : {"smollm", "gpt2", "llama-bpe", "qwen2"}) {
    INFO("pre-tokenizer " << pre);
    const Tokenizer tokenizer(small_spec(pre));
    REQUIRE(expected[pre].size() == corpus.size());
    for (std::size_t i = 0; i < corpus.size(); ++i)
      check(tokenizer, corpus[i], expected[pre][i][0], expected[pre][i][1]);
  }
}

TEST_CASE("NFC, flags of added tokens and the space prefix follow the tokenizers library", "[tokenizer]") {
  const auto expected = oracle("small_ids.json");
  auto spec = small_spec("qwen2");
  spec.normalizer = "nfc";
  REQUIRE(expected["nfc"].size() > 5);
  for (const auto& row : expected["nfc"]) check(Tokenizer(spec), row[0], row[1], row[2]);

  for (const auto& flag : expected["flag_list"])
    spec.added.push_back({.id = flag["id"],
                          .lstrip = flag.value("lstrip", false),
                          .rstrip = flag.value("rstrip", false),
                          .single_word = flag.value("single_word", false),
                          .normalized = flag.value("normalized", false)});
  REQUIRE(expected["flags"].size() > 10);
  for (const auto& row : expected["flags"]) check(Tokenizer(spec), row[0], row[1], row[2]);

  spec = small_spec("gpt2");
  spec.add_space_prefix = true;
  REQUIRE(expected["space_prefix"].size() > 10);
  for (const auto& row : expected["space_prefix"]) check(Tokenizer(spec), row[0], row[1], row[2]);
}

TEST_CASE("decoding equals the tokenizers library's, whole and streamed", "[tokenizer]") {
  const auto expected = oracle("small_ids.json");
  const Tokenizer tokenizer(small_spec("gpt2"));
  REQUIRE(expected["decode"].size() == 200);
  for (const auto& row : expected["decode"]) {
    const auto ids = row[0].get<Ids>();
    INFO("ids " << row[0].dump());
    CHECK(tokenizer.decode(ids) == row[1].get<std::string>());
    CHECK(tokenizer.decode(ids, true) == row[2].get<std::string>());
    StreamDecoder stream(tokenizer, false);
    std::string text;
    for (const TokenId id : ids) text += stream.push(id);
    CHECK(text + stream.finish() == row[1].get<std::string>());
  }
}
