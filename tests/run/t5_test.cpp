// SPDX-License-Identifier: Apache-2.0
// A T5 that decodes token by token: the source is given once, its keys and values stay, steps without a source have no
// rows of it.
#include "openinfer/models/t5.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "codegen/plan/entry_points.h"
#include "codegen/run/vulkan_executor.h"
#include "tests/distance.h"
#include "tests/run/vulkan_there.h"
#include "tests/sim/small_llama.h"

using namespace openinfer;

namespace {

constexpr std::int64_t kT5Width = 24, kT5Heads = 3, kT5Vocab = 20, kT5Hidden = 40;

void fill_small_t5(sim_test::TestPackage& package) {
  std::mt19937 random(5);
  opnf::Writer& w = package.writer();
  for (const auto& [key, value] : {std::pair<const char*, std::int64_t>{"n_layers", 1},
                                   {"n_dec_layers", 2},
                                   {"n_heads", kT5Heads},
                                   {"head_dim", 8},
                                   {"ctx_len", 32},
                                   {"n_buckets", 8},
                                   {"max_distance", 20}})
    w.meta(key, value);
  w.meta("rms_norm_eps", 1e-6);
  w.meta("logit_scale", 0.5);
  w.meta("activation", "relu");
  const auto add = [&](const std::string& key, std::uint64_t in, std::uint64_t out) {
    sim_test::add_random(package, key, {in, out}, random);
  };
  const auto norm = [&](const std::string& key) { sim_test::add_random(package, key, {kT5Width}, random, 1); };
  sim_test::add_random(package, "tok_embeddings", {kT5Vocab, kT5Width}, random, 0.01f);
  add("lm_head", kT5Width, kT5Vocab);
  for (const auto& [side, layers] : {std::pair<std::string, int>{"enc", 1}, {"dec", 2}}) {
    add(side + ".rel_bias", 8, kT5Heads);
    norm(side + ".final_norm");
    for (int l = 0; l < layers; ++l)
      for (const char* kind : {"", "cross_"}) {
        if (*kind && side == "enc") continue;
        const auto at = [&side = side, l](const std::string& stem) {
          return side + "." + stem + "." + std::to_string(l);
        };
        norm(at(std::string(kind) + "attn_norm"));
        for (const char* name : {"Wq", "Wk", "Wv", "Wo"}) add(at(std::string(kind) + name), kT5Width, kT5Width);
        if (*kind) continue;
        norm(at("mlp_norm"));
        add(at("Wup"), kT5Width, kT5Hidden);
        add(at("Wdown"), kT5Hidden, kT5Width);
      }
  }
}

using Ids = std::vector<std::int32_t>;
const Ids kSource = {3, 1, 19, 7, 7, 2}, kOther = {5, 6}, kTokens = {0, 4, 9, 11};

/// Tokens from `pos` on of slot 0, whose source has `length` tokens, and perhaps the source of a slot.
Tensor step(SimSession& session, const Ids& tok, std::int32_t pos, std::int32_t length, const Ids& source = {},
            std::int32_t source_slot = 0) {
  Ids places(tok.size()), rows(tok.size());
  std::iota(places.begin(), places.end(), pos);
  std::iota(rows.begin(), rows.end(), 0);
  const auto count = static_cast<std::int64_t>(source.size());
  return session.run_step({{"tok", tok},
                           {"pos", places},
                           {"slot", Ids(tok.size(), 0)},
                           {"rows", rows},
                           {"source_end", Ids(tok.size(), length - 1)},
                           {"source", Tensor(source, {count})},
                           {"source_slot", Tensor::scalar(source_slot)}})["logits"];
}

}  // namespace

TEST_CASE("t5 gives the same logits token by token as for all tokens at once", "[long]") {
  sim_test::TestPackage package("run_t5");
  fill_small_t5(package);
  const Model model = package.open();
  const Graph graph = models::t5(model);
  const SimOptions sizes = {.threads = 2, .dims = {{"slots", 2}, {"ctx", 16}, {"src", 12}}};
  SimSession at_once(model, graph, sizes);
  const Tensor all = step(at_once, kTokens, 0, 6, kSource);
  const auto row = [&](std::size_t n) {
    const auto data = all.data<float>().subspan(n * kT5Vocab, kT5Vocab);
    return Tensor(std::vector<float>(data.begin(), data.end()), {1, kT5Vocab});
  };
  std::vector<Backend> backends = {Backend::sim, Backend::cpu};
  if (run_test::has_vulkan()) backends.push_back(Backend::vulkan);
  for (const Backend backend : backends) {
    CAPTURE(name(backend));
    SimSession session(model, graph, backend, sizes);
    // Two layers of width 24: as compiled llamas in session_test.cpp. The simulator gives the same bits.
    const double most = backend == Backend::sim ? 0 : 2e-5;
    CHECK(testing::distance(step(session, {kTokens[0]}, 0, 6, kSource), row(0)) <= most);
    for (std::size_t n = 1; n < kTokens.size(); ++n) {
      const Ids other = n == 2 ? kOther : Ids();  // another slot's source changes nothing
      CHECK(testing::distance(step(session, {kTokens[n]}, static_cast<std::int32_t>(n), 6, other, 1), row(n)) <= most);
    }
  }
}

TEST_CASE("a source's slot that t5's cache does not have is an error on every backend") {
  sim_test::TestPackage package("run_t5_slot");
  fill_small_t5(package);
  const Model model = package.open();
  const auto says = [&](Backend backend, const std::string& what) {
    SimSession session(model, models::t5(model), backend,
                       {.threads = 2, .dims = {{"slots", 2}, {"ctx", 16}, {"src", 12}}});
    CHECK_THROWS_WITH(step(session, kTokens, 0, 6, kSource, 2), Catch::Contains(what));
  };
  says(Backend::sim, "slot 2 of row 0 is outside the cache, which has 2 slots");
  says(Backend::cpu, "input 'source_slot'[0] is 2, which is not in [0, 2): slots of cross_kv");
}

TEST_CASE("an emitted encoder-decoder has a way in for one row of its decoder, with a source or without") {
  sim_test::TestPackage package("entries_t5");
  fill_small_t5(package);
  const Graph graph = models::t5(package.open());
  const std::vector<plan::EntrySpec> entries = plan::entry_points(graph, {}, "emit");
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].name == "decode");
  CHECK(entries[0].dims.at("N") == std::pair<std::int64_t, std::int64_t>{1, 1});
  CHECK(entries[0].dims.at("R") == std::pair<std::int64_t, std::int64_t>{1, 1});
  CHECK_FALSE(entries[0].dims.contains("S"));  // as the graph has it, from none on
  CHECK(entries[1].name == "prefill");
  CHECK(entries[1].dims.at("N") == std::pair<std::int64_t, std::int64_t>{1, 512});
}

TEST_CASE("buckets of distances are those of T5Attention._relative_position_bucket") {
  // By transformers, num_buckets 8, max_distance 20.
  const models::T5Buckets both = {.count = 8, .max_distance = 20, .both = true};
  const models::T5Buckets before = {.count = 8, .max_distance = 20, .both = false};
  const std::vector<std::int64_t> distances = {-30, -20, -8, -6, -4, -3, -2, -1, 0, 1, 2, 5, 7, 20};
  std::vector<int> two, one;
  for (const std::int64_t d : distances) two.push_back(both.of(d)), one.push_back(before.of(d));
  CHECK(two == std::vector<int>{3, 3, 3, 2, 2, 2, 2, 1, 0, 5, 6, 6, 7, 7});
  CHECK(one == std::vector<int>{7, 7, 5, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0});
}
