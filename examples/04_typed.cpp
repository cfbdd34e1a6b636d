// SPDX-License-Identifier: Apache-2.0
// Shapes in the type: the sizes of a model are known to the compiler, which refuses what does not fit together.
//   example_04_typed model.oinf        (a llama of the sizes below)
#include <openinfer/models/llama_typed.h>
#include <openinfer/openinfer.h>

#include <algorithm>
#include <cstdio>
using namespace openinfer;

struct Tiny {
  static constexpr int vocab = 265, width = 32, heads = 4, kv_heads = 2, head_dim = 8, hidden = 64;
};

int main(int argc, char** argv) try {
  auto model = ModelLoader::open(argc > 1 ? argv[1] : "model.oinf");
  Graph g = models::llama_typed<Tiny>(model);  // another package is refused here, with both shapes

  SimSession sim(model, g, {.dims = {{"slots", 1}, {"ctx", 8}}});
  auto out = sim.run_step({{"tok", {1, 2, 3}}, {"pos", {0, 1, 2}}, {"slot", {0, 0, 0}}, {"rows", {2}}});
  const auto logits = out["logits"].data<float>();
  std::printf("next token: %td\n", std::max_element(logits.begin(), logits.end()) - logits.begin());
} catch (const Error& error) {
  std::fprintf(stderr, "example: error: %s\n", error.what());
  return 1;
}
