// SPDX-License-Identifier: Apache-2.0
// A chat model answers a question: package, graph, simulation, words.
//   example_03_llama model.oinf "What is gravity?" [max_tokens]
// The graph is include/openinfer/models/llama.h, a page of the same language as 02_kv_loop.cpp.
#include <openinfer/models/llama.h>
#include <openinfer/openinfer.h>
#include <openinfer/text.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
using namespace openinfer;

/// Feeds `ids` from position `from` on in chunks of at most 512 rows and returns the logits behind the last one.
Tensor feed(SimSession& sim, std::span<const TokenId> ids, std::int64_t from) {
  Tensor logits;
  for (std::size_t done = 0; done < ids.size();) {
    const auto chunk = ids.subspan(done, std::min<std::size_t>(512, ids.size() - done));
    std::vector<std::int32_t> tok(chunk.begin(), chunk.end()), pos(chunk.size()), slot(chunk.size(), 0);
    std::iota(pos.begin(), pos.end(), static_cast<std::int32_t>(from + static_cast<std::int64_t>(done)));
    const std::vector<std::int32_t> last = {static_cast<std::int32_t>(chunk.size()) - 1};
    logits = sim.run_step({{"tok", tok}, {"pos", pos}, {"slot", slot}, {"rows", last}})["logits"];
    done += chunk.size();
  }
  return logits;
}

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "usage: example_03_llama MODEL.oinf [QUESTION] [MAX_TOKENS]\n"), 2;
  const std::string question = argc > 2 ? argv[2] : "What is gravity?";
  const int max_tokens = argc > 3 ? std::atoi(argv[3]) : 64;

  auto model = ModelLoader::open(argv[1]);
  Graph g = models::llama(model);
  SimSession sim(model, g, {.dims = {{"slots", 1}, {"ctx", 1024}}});

  const Tokenizer tokenizer(tokenizer_spec(model));
  const ChatTemplate chat(tokenizer.spec().chat_template);
  const std::vector<ChatMessage> messages = {{"user", question}};
  const auto prompt = tokenizer.encode(chat.apply(messages));

  Tensor logits = feed(sim, prompt, 0);
  auto position = static_cast<std::int64_t>(prompt.size());
  Sampler sampler(SamplerOptions{});  // greedy
  StreamDecoder words(tokenizer);
  for (int i = 0; i < max_tokens; ++i) {
    const TokenId token = sampler.next(logits.data<float>());
    if (tokenizer.is_end(token)) break;
    std::fputs(words.push(token).c_str(), stdout);
    std::fflush(stdout);
    logits = feed(sim, std::span(&token, 1), position++);
  }
  std::puts(words.finish().c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "example: error: %s\n", error.what());
  return 1;
}
