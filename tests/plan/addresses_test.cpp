// SPDX-License-Identifier: Apache-2.0
// Which buffers kernels reach by their addresses, and what the plan says of it.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"

using namespace openinfer;
using Catch::Contains;

namespace {

/// x has 2560 bytes, z 192.
std::string plan_text(const kir::Target& target) {
  const Graph g = graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 40);
    b.output("y", sum(b.input("x", f32, {N, 16}), Over{.axes = {1}}));
    b.output("w", sum(b.input("z", f32, {3, 16}), Over{.axes = {1}}));
  });
  plan::Plan p =
      plan::lower(run_passes(g, compilation_passes()).graph, {.name = "test", .target = target, .entries = {}});
  plan::run_passes(p);
  return to_text(p);
}

}  // namespace

TEST_CASE("what is larger than the target binds is reached by its address, with the reason behind the dispatch") {
  const std::string text = plan_text({.lanes = 8, .most_bound_bytes = 1000, .addresses = true});
  CHECK_THAT(text, Contains("x by its address: its 2560 bytes are more than the 1000 that the device binds"));
  CHECK_THAT(text, Contains("1 subgroups, x by its address"));
  CHECK_THAT(text, !Contains("y by its address") && !Contains("w by its address"));
}

TEST_CASE("where all can be bound, and where kernels have no addresses, none is") {
  CHECK_THAT(plan_text({.lanes = 8, .most_bound_bytes = 2560, .addresses = true}), !Contains("by its address"));
  CHECK_THAT(plan_text({.lanes = 8, .most_bound_bytes = 1000}), !Contains("by its address"));
}
