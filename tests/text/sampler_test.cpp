// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>

#include "tests/text/oracle.h"

using namespace openinfer;
using namespace openinfer::test;

namespace {
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
}  // namespace

TEST_CASE("the filters leave what numpy's leave, with the same probabilities", "[sampler]") {
  const auto data = oracle("sampling.json");
  REQUIRE(data["rows"].size() == 72);
  for (const auto& row : data["rows"]) {
    std::vector<float> logits;
    for (const auto& x : row["logits"]) logits.push_back(x.is_null() ? -kInf : x.get<float>());
    const Sampler sampler(
        {.temperature = row["temperature"], .top_k = row["top_k"], .top_p = row["top_p"], .min_p = row["min_p"]});
    std::map<TokenId, double> expected;
    for (std::size_t i = 0; i < row["ids"].size(); ++i) expected[row["ids"][i]] = row["probabilities"][i];
    std::erase_if(expected, [](const auto& entry) { return entry.second == 0; });  // -inf: never drawn
    INFO(row.dump());
    auto got = sampler.distribution(logits);
    std::erase_if(got, [](const auto& c) { return c.probability == 0; });
    CHECK(got.size() == expected.size());
    for (const auto& [id, probability] : got) {
      REQUIRE(expected.contains(id));
      // Both sides are float64 sums of at most 50 terms: some ulps apart.
      CHECK(probability == Approx(expected[id]).epsilon(1e-13));
    }
  }
}

TEST_CASE("greedy takes the largest, the lowest id of equals", "[sampler]") {
  Sampler greedy;
  CHECK(greedy.next(std::vector<float>{1, 3, 3, 2}) == 1);
  CHECK(greedy.next(std::vector<float>{-kInf, -5, -kInf}) == 1);
  CHECK(Sampler({.temperature = 1, .top_k = 1, .seed = 5}).next(std::vector<float>{7, 9, 9}) == 1);
}

TEST_CASE("draws follow PCG32 and the distribution, and repeat with the seed", "[sampler]") {
  // With n equal logits the draw u picks token floor(u·n): shows the generator's own numbers (O'Neill's definition in
  // scripts/make_text_oracle.py). n is a power of two, so that the sums are exact.
  const auto data = oracle("sampling.json");
  const std::vector<float> equal(1024, 0.5f);
  Sampler sampler({.temperature = 1, .seed = 42});
  REQUIRE(data["pcg32"].size() == 8);
  for (const auto& u : data["pcg32"]) CHECK(sampler.next(equal) == static_cast<TokenId>(u.get<double>() * 1024));

  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  Sampler a({.temperature = 1, .seed = 7}), b({.temperature = 1, .seed = 7}), c({.temperature = 1, .seed = 8});
  int counts[3] = {}, differ = 0;
  for (int i = 0; i < 20000; ++i) {
    const TokenId id = a.next(logits);
    CHECK(id == b.next(logits));
    differ += id != c.next(logits);
    ++counts[id];
  }
  CHECK(differ > 10000);  // 62 % for independent draws
  // Five standard deviations of a binomial of 20000: at most 354.
  CHECK(std::abs(counts[0] - 10000) < 354);
  CHECK(std::abs(counts[1] - 6000) < 354);
  CHECK(std::abs(counts[2] - 4000) < 354);
}

TEST_CASE("wrong logits and options are errors that name them", "[sampler]") {
  const auto next = [](std::vector<float> logits, float t) {
    return message_of([&] { Sampler({.temperature = t}).next(logits); });
  };
  for (const float t : {0.0f, 1.0f}) {
    CHECK(next({}, t) == "[sample] no logits");
    CHECK(next({1, kNaN, 2}, t) == "[sample] logit 1 of 3 is nan");
    CHECK(next({1, kInf}, t) == "[sample] logit 1 of 2 is inf");
    CHECK(next({-kInf, -kInf}, t) == "[sample] all 2 logits are -inf");
  }
  const auto make = [](SamplerOptions options) { return message_of([&] { Sampler{options}; }); };
  CHECK(make({.temperature = -1}) == "[sample] temperature is -1, not in [0, inf)");
  CHECK(make({.temperature = kNaN}) == "[sample] temperature is nan, not in [0, inf)");
  CHECK(make({.top_k = -1}) == "[sample] top_k is -1, not in [0, 2^31)");
  CHECK(make({.top_p = 1.5f}) == "[sample] top_p is 1.5, not in [0, 1]");
  CHECK(make({.min_p = -0.5f}) == "[sample] min_p is -0.5, not in [0, 1]");
}

TEST_CASE("tiny temperatures do not divide by zero", "[sampler]") {
  CHECK(Sampler({.temperature = 1e-30f}).next(std::vector<float>{1, 2, 1.5f}) == 1);
  const auto all = Sampler({.temperature = 1e-38f}).distribution(std::vector<float>{1, 1, 0});
  CHECK(all[0].probability == 0.5);
}
