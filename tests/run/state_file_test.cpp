// SPDX-License-Identifier: Apache-2.0
// A state that one backend saved is taken up by every other one.
#include <catch2/catch.hpp>

#include "codegen/run/vulkan_kernel.h"
#include "tests/distance.h"
#include "tests/run/vulkan_there.h"
#include "tests/sim/small_llama.h"

using namespace openinfer;

TEST_CASE("a saved state goes on with the same tokens on the backend that saved it, and on the others") {
  sim_test::TestPackage package("run_state_file");
  sim_test::fill_small_llama(package);
  const Model model = package.open();
  const Graph graph = models::llama(model);
  std::vector<Backend> backends = {Backend::sim, Backend::cpu};
  if (run_test::has_vulkan()) backends.push_back(Backend::vulkan);
  const std::string path = package.path().string() + ".state";
  const auto step = [](SimSession& session, std::int32_t token, std::int32_t position) {
    sim_test::Batch batch;
    batch.add(token, position, 0);
    batch.want();
    return batch.run(session);
  };
  const auto session_on = [&](Backend backend, std::int64_t ctx) {
    return SimSession(model, graph, backend, {.threads = 2, .dims = {{"slots", 1}, {"ctx", ctx}}});
  };
  for (const Backend backend : backends) {
    CAPTURE(name(backend));
    SimSession session = session_on(backend, 20);
    Tensor logits;
    for (int i = 0; i < 4; ++i) logits = step(session, 3 + 7 * i, i);
    session.save_state(path);
    const auto next = sim_test::greedy(sim_test::row_of(logits, 0));
    const Tensor expected = step(session, next, 4);
    for (const Backend other : backends) {
      CAPTURE(name(other));
      SimSession taken = session_on(other, 20 + 4 * (other == backend));
      taken.load_state(path);
      const Tensor found = step(taken, next, 4);
      CHECK(sim_test::greedy(sim_test::row_of(found, 0)) == sim_test::greedy(sim_test::row_of(expected, 0)));
      // As compiled llamas: tests/run/session_test.cpp. On the same backend the bits, whatever the capacity.
      CHECK(testing::distance(found, expected) <= (other == backend ? 0 : 2e-5));
    }
  }
  std::filesystem::remove(path);
}
