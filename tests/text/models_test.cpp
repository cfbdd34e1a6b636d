// SPDX-License-Identifier: Apache-2.0
// Tokenizers of every kind against the libraries that they are from: tokenizers and sentencepiece.
#include <catch2/catch.hpp>

#include "lib/text/pre_tokenizer_kinds.h"
#include "lib/text/pretokenizer.h"
#include "tests/text/oracle.h"

using namespace openinfer;
using namespace openinfer::test;
using Ids = std::vector<TokenId>;
using Types = std::vector<std::int32_t>;
using Json = nlohmann::ordered_json;

namespace {

std::string shown(const Json& text) { return text.dump(-1, ' ', true).substr(0, 300); }

std::string streamed(const Tokenizer& tokenizer, const Ids& ids, bool skip_special) {
  StreamDecoder stream(tokenizer, skip_special);
  std::string text;
  for (const TokenId id : ids) text += stream.push(id);
  return text + stream.finish();
}

void check_ids(const Tokenizer& tokenizer, const Json& texts, const Json& expected) {
  REQUIRE(texts.size() == expected.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    INFO("text: " << shown(texts[i]));
    CHECK(tokenizer.encode(texts[i].get<std::string>(), {.add_special = false}) == expected[i].get<Ids>());
  }
}

}  // namespace

TEST_CASE("ids equal those of the tokenizers library for every kind of tokenizer.json", "[tokenizer]") {
  const auto corpus = oracle("corpus.json");
  const auto data = oracle("hf.json");
  for (const auto& [name, row] : data.items()) {
    INFO(name);
    check_ids(Tokenizer(spec_of(row["section"])), corpus, row["ids"]);
  }
}

TEST_CASE("texts, pairs and what is cut off them follow the tokenizers library's templates", "[tokenizer]") {
  const auto corpus = oracle("corpus.json");
  const auto data = oracle("hf.json");
  for (const auto& [name, row] : data.items()) {
    INFO(name);
    const Tokenizer tokenizer(spec_of(row["section"]));
    CHECK(tokenizer.encode(corpus[0].get<std::string>()) == row["special"].get<Ids>());
    for (const auto& pair : row["pairs"]) {
      const auto first = pair[0][0].get<std::string>(), second = pair[0][1].get<std::string>();
      const Encoding found = tokenizer.encode_texts(first, second);
      CHECK(found.ids == pair[1].get<Ids>());
      CHECK(found.types == pair[2].get<Types>());
    }
    const auto texts = row["pairs"][0][0];
    for (const auto& cut : row["truncated"]) {
      const auto truncate =
          cut[1] == "only_second" ? EncodeOptions::Truncate::second : EncodeOptions::Truncate::longest_first;
      const Encoding found = tokenizer.encode_texts(texts[0].get<std::string>(), texts[1].get<std::string>(),
                                                    {.max_tokens = cut[0].get<std::size_t>(), .truncate = truncate});
      CHECK(found.ids == cut[2].get<Ids>());
      CHECK(found.types == cut[3].get<Types>());
    }
  }
}

TEST_CASE("decoding equals the tokenizers library's decoders, whole and streamed", "[tokenizer]") {
  const auto data = oracle("hf.json");
  for (const auto& [name, row] : data.items()) {
    const Tokenizer tokenizer(spec_of(row["section"]));
    for (const auto& [ids, all, without] :
         row["decode"].get<std::vector<std::tuple<Ids, std::string, std::string>>>()) {
      INFO(name << " ids " << Json(ids).dump());
      CHECK(tokenizer.decode(ids) == all);
      CHECK(tokenizer.decode(ids, true) == without);
      CHECK(streamed(tokenizer, ids, false) == all);
      CHECK(streamed(tokenizer, ids, true) == without);
    }
  }
}

TEST_CASE("ids and texts equal sentencepiece's for its models", "[tokenizer]") {
  const auto corpus = oracle("corpus.json");
  const auto data = oracle("spm.json");
  for (const auto& [name, row] : data.items()) {
    INFO(name);
    const Tokenizer tokenizer(spec_of(row["section"]));
    REQUIRE(corpus.size() == row["ids"].size());
    for (std::size_t i = 0; i < corpus.size(); ++i) {
      INFO("text: " << shown(corpus[i]));
      // The library never makes control tokens of a text.
      CHECK(tokenizer.encode(corpus[i].get<std::string>(), {.add_special = false, .parse_special = false}) ==
            row["ids"][i].get<Ids>());
    }
    for (const auto& [hex, ids] : row["bytes"].get<std::vector<std::pair<std::string, Ids>>>()) {
      std::string text;
      for (std::size_t i = 0; i < hex.size(); i += 2)
        text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
      CHECK(tokenizer.encode(text, {.add_special = false}) == ids);
    }
    for (const auto& [ids, text] : row["decode"].get<std::vector<std::pair<Ids, std::string>>>()) {
      INFO("ids " << Json(ids).dump());
      CHECK(tokenizer.decode(ids, true) == text);
      CHECK(streamed(tokenizer, ids, true) == text);
    }
  }
}

TEST_CASE("every named pre-tokenizer makes the words of the tokenizers library", "[tokenizer]") {
  const auto corpus = oracle("corpus.json");
  const auto expected = oracle("pre.json");
  const auto kinds = text::pre_tokenizer_kinds();
  REQUIRE(kinds.size() == expected.size());
  for (const auto& kind : kinds) {
    INFO(kind.name);
    TokenizerSpec spec;
    spec.pre = kind.name;
    const text::PreTokenizer pre(spec);
    for (std::size_t i = 0; i < corpus.size(); ++i) {
      INFO("text: " << shown(corpus[i]));
      std::vector<std::size_t> sizes;
      const auto text = corpus[i].get<std::string>();
      openinfer::text::Call call(text.size());
      pre.split(text, true, call, [&](std::string_view word) { sizes.push_back(word.size()); });
      CHECK(sizes == expected[std::string(kind.name)][i].get<std::vector<std::size_t>>());
    }
  }
}
