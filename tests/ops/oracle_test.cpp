// SPDX-License-Identifier: Apache-2.0
// Every operator in the simulator against NumPy and PyTorch: tests/ops/oracle/*.oinf.
#include "tests/ops/oracle.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "tests/source_path.h"

using namespace openinfer;
using namespace openinfer::testing;

namespace {

std::vector<std::string> packages() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(testing::source_path("tests/ops/oracle")))
    if (entry.path().extension() == ".oinf") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

Runner simulator(int threads) {
  return [threads](const Model& model, const Graph& graph, const Inputs& inputs) {
    SimSession session(model, graph, {.threads = threads});
    return session.run_step(inputs);
  };
}

void check_all(const Runner& run) {
  for (const std::string& path : packages()) {
    const Report report = check_oracle(path, run);
    INFO(path);
    CHECK(report.cases > 0);
    for (const std::string& failure : report.failures) FAIL_CHECK(failure);
  }
}

}  // namespace

TEST_CASE("operators_agree_with_their_oracles") { check_all(simulator(1)); }

TEST_CASE("operators_agree_with_their_oracles_on_three_threads") { check_all(simulator(3)); }

TEST_CASE("rules_refuse_what_they_should") {
  const auto differs = [](const Tensor& got, const Tensor& want, const char* rule, const Tensor& scale = {}) {
    return first_difference(got, want, scale, Rule::parse(rule)) >= 0;
  };
  const float one = 1.0f, next = std::nextafter(one, 2.0f), second = std::nextafter(next, 2.0f);
  CHECK_FALSE(differs(Tensor{one}, Tensor{one}, "exact"));
  CHECK(differs(Tensor{next}, Tensor{one}, "exact"));
  CHECK(differs(Tensor{-0.0f}, Tensor{0.0f}, "exact"));
  CHECK_FALSE(differs(Tensor{next}, Tensor{one}, "ulp:1"));
  CHECK(differs(Tensor{second}, Tensor{one}, "ulp:1"));
  CHECK_FALSE(differs(Tensor{second}, Tensor{one}, "ulp:1:1e-3"));
  CHECK_FALSE(differs(Tensor{-NAN}, Tensor{NAN}, "exact"));
  CHECK(differs(Tensor{NAN}, Tensor{one}, "sum:1e9", Tensor{1.0}));
  CHECK(differs(Tensor{INFINITY}, Tensor{3e38f}, "sum:1e9", Tensor{INFINITY * 1.0}));
  CHECK_FALSE(differs(Tensor{1.0f + 3 * 0x1p-23f}, Tensor{one}, "sum:4", Tensor{1.0}));
  CHECK(differs(Tensor{1.0f + 4 * 0x1p-23f}, Tensor{one}, "sum:4", Tensor{1.0}));
  CHECK(differs(Tensor{std::int64_t{1}}, Tensor{std::int64_t{2}}, "ulp:5"));
  CHECK_THROWS_AS(Rule::parse("close"), Error);
  CHECK_THROWS_AS(Rule::parse("ulp:x"), Error);
}
