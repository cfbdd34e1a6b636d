// SPDX-License-Identifier: Apache-2.0
// A graph becomes C++ that you own: the same that is simulated here is written as a project for a device. Links
// OpenInfer::codegen.
//   example_05_emit model.oinf out zen4
#include <openinfer/evaluator.h>
#include <openinfer/openinfer.h>

#include <cstdio>
using namespace openinfer;

int main(int argc, char** argv) try {
  auto model = ModelLoader::open(argc > 1 ? argv[1] : "model.oinf");

  Graph g = graph(model, [&](GraphBuilder& b) {
    auto tok = b.input("tok", i32, {b.dim("B", 1, 64)});
    b.output("logits", matmul(gather(model["tok_embeddings"], tok), model["lm_head"]));
  });

  auto dev = DeviceSpec::named(argc > 3 ? argv[3] : "this-cpu");
  auto eval = Evaluator(dev).from_graph(model, g, {.name = "logits"});
  eval.emit(argc > 2 ? argv[2] : "out");
  std::printf("%s for %s (%s): %zu kernels\n", eval.name().c_str(), eval.device().c_str(),
              std::string(eval.api()).c_str(), eval.kernel_count());
} catch (const Error& error) {
  std::fprintf(stderr, "example: error: %s\n", error.what());
  return 1;
}
