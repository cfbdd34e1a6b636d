// SPDX-License-Identifier: Apache-2.0
// The smallest graph that says something: the logits of one token, straight from its embedding.
//   example_01_minimal model.oinf
#include <openinfer/openinfer.h>

#include <cstdio>
using namespace openinfer;

int main(int argc, char** argv) try {
  auto model = ModelLoader::open(argc > 1 ? argv[1] : "model.oinf");

  Graph g = graph(model, [&](GraphBuilder& b) {
    auto tok = b.input("tok", i32, {b.dim("B")});

    auto x = gather(model["tok_embeddings"], tok) | cast(f16);
    b.output("logits", matmul(x, model["lm_head"]));
  });

  SimSession sim(model, g);
  auto out = sim.run_step({{"tok", {42}}});

  auto logits = eval(GraphBuilder().constant(out["logits"]) | cast(f32));
  std::printf("logits = %s: %g %g %g …\n", to_string(logits.shape()).c_str(), logits.data<float>()[0],
              logits.data<float>()[1], logits.data<float>()[2]);
} catch (const Error& error) {
  std::fprintf(stderr, "example: error: %s\n", error.what());
  return 1;
}
