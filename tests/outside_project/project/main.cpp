// SPDX-License-Identifier: Apache-2.0
#include <openinfer/openinfer.h>

#include <cstdio>
using namespace openinfer;

int main() {
  Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {b.dim("N", 1, 16)});
    b.output("y", x * 2.0 + 1);
  });
  SimSession sim(g);
  auto y = sim.run_step({{"x", {20.5, -1.0}}})["y"];
  std::printf("y = %g %g\n", y.data<float>()[0], y.data<float>()[1]);
}
