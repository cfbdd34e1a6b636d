// SPDX-License-Identifier: Apache-2.0
// One tokenizer and one chat template in many hands.
#include <catch2/catch.hpp>
#include <thread>

#include "tests/text/oracle.h"

using namespace openinfer;
using namespace openinfer::test;

TEST_CASE("one tokenizer encodes and decodes in several threads", "[tokenizer]") {
  const auto corpus = oracle("corpus.json");
  for (const std::string pre : {"gpt2", "qwen2"}) {
    const Tokenizer tokenizer(small_spec(pre));
    const auto ids_of = [&](const Tokenizer& t, std::vector<std::vector<TokenId>>& ids,
                            std::vector<std::string>& texts) {
      for (const auto& text : corpus) {
        ids.push_back(t.encode(text.get<std::string>()));
        StreamDecoder stream(t, false);
        std::string decoded;
        for (const TokenId id : ids.back()) decoded += stream.push(id);
        texts.push_back(decoded + stream.finish());
      }
    };
    std::vector<std::vector<TokenId>> wanted;
    std::vector<std::string> wanted_texts;
    ids_of(tokenizer, wanted, wanted_texts);
    std::vector<std::vector<std::vector<TokenId>>> found(4);
    std::vector<std::vector<std::string>> texts(4);
    std::vector<std::thread> users;
    for (std::size_t u = 0; u < found.size(); ++u)
      users.emplace_back([&, u, own = tokenizer] { ids_of(own, found[u], texts[u]); });
    for (auto& user : users) user.join();
    for (std::size_t u = 0; u < found.size(); ++u) CHECK((found[u] == wanted && texts[u] == wanted_texts));
  }
}

TEST_CASE("one chat template renders in several threads") {
  const ChatTemplate chat("{% for m in messages %}{{ m.role | upper }}: {{ m.content }}\n{% endfor %}");
  std::vector<std::string> texts(4);
  std::vector<std::thread> users;
  for (auto& text : texts)
    users.emplace_back([&chat, &text] {
      for (int n = 0; n < 50; ++n) {
        const std::vector<ChatMessage> messages = {{.role = "user", .content = "a" + std::to_string(n)}};
        text += chat.apply(messages, {.now = std::chrono::system_clock::from_time_t(0)});
      }
    });
  for (auto& user : users) user.join();
  CHECK(texts[0].starts_with("USER: a0\n"));
  for (const auto& text : texts) CHECK(text == texts[0]);
}
