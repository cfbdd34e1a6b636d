// SPDX-License-Identifier: Apache-2.0
// What fork, save and restore of a session cost after 10 steps in a context of 8192 (keys and values of 30 layers,
// 3 heads of 64, f32: SmolLM2-135M's cache), beside a copy of the whole state. To reach: what the 10 steps wrote
// decides.
#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "openinfer/ops.h"
#include "openinfer/sim.h"

using namespace openinfer;

namespace {

constexpr std::int64_t kLayers = 30, kHeads = 3, kHeadDim = 64, kContext = 8192, kSteps = 10;

template <class F>
double best_ms(int rounds, const F& work) {
  double least = 1e9;
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    least =
        std::min(least, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

Graph writes_a_row_in_each_layer() {
  return graph([](GraphBuilder& b) {
    auto kv = b.state("kv", kv_cache({.layers = kLayers, .capacity = kContext, .heads = kHeads, .head_dim = kHeadDim}));
    auto step = b.input("step", i32, {});
    auto x = b.input("x", f32, {1, kHeads * kHeadDim});
    b.loop("l", 0, kLayers, [&](Index l) { kv_write(kv, {.layer = l, .step = step}, x, x); });
    b.output("y", x);
  });
}

}  // namespace

int main() {
  SimSession sim(writes_a_row_in_each_layer());
  const Tensor x(std::vector<float>(kHeads * kHeadDim, 1.f), {1, kHeads * kHeadDim});
  for (std::int32_t step = 0; step < kSteps; ++step) sim.run_step({{"step", step}, {"x", x}});
  StateSnapshot saved;
  const double fork_ms = best_ms(5, [&] { sim.fork(); });
  const double save_ms = best_ms(5, [&] { saved = sim.save(); });
  const double restore_ms = best_ms(5, [&] { sim.restore(saved); });
  const std::vector<std::byte> whole(sim.stats().state_bytes);
  const double copy_ms = best_ms(2, [&] { const std::vector<std::byte> copy(whole); });
  fmt::print("state {} MiB, {} steps: fork {:.2f} ms, save {:.2f} ms, restore {:.2f} ms; a copy of all {:.0f} ms\n",
             sim.stats().state_bytes >> 20, kSteps, fork_ms, save_ms, restore_ms, copy_ms);
}
