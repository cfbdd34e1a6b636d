// SPDX-License-Identifier: Apache-2.0
// compiled PACKAGE FOLDER: a session that runs compiled, and the same graph emitted.
#include <openinfer/evaluator.h>
#include <openinfer/openinfer.h>

#include <cstdio>
using namespace openinfer;

int main(int, char** argv) {
  auto model = ModelLoader::open(argv[1]);
  Graph g = graph(model, [](GraphBuilder& b) {
    auto x = b.input("x", f32, {b.dim("N", 1, 16)});
    b.output("y", x * 2.0 + 1);
  });
  SimSession session(model, g, Backend::cpu);
  auto y = session.run_step({{"x", {20.5, -1.0}}})["y"];
  Evaluator(DeviceSpec::named("zen4")).from_graph(model, g, {.name = "doubled"}).emit(argv[2]);
  std::printf("y = %g %g\n", y.data<float>()[0], y.data<float>()[1]);
}
