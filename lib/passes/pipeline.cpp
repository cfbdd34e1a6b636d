// SPDX-License-Identifier: Apache-2.0
#include "lib/passes/pipeline.h"

namespace openinfer {
namespace {

template <GraphPtr (*pass)(const GraphPtr&)>
GraphPtr plain(const GraphPtr& g, const PassOptions&) {
  return pass(g);
}
GraphPtr fuse_as_asked(const GraphPtr& g, const PassOptions& options) { return fuse(g, options.no_fuse); }

// The simulator runs what is wanted and may be asked to watch anything: it needs a sound graph and removes nothing.
constexpr GraphPass kSimulator[] = {
    {"verify", plain<verify_pass>},
};

// Decompose first: what it makes is there to be folded and shared. Fuse last: it marks what is left.
constexpr GraphPass kCompilation[] = {
    {"verify", plain<verify_pass>},    {"decompose", plain<decompose>}, {"fold", plain<fold>}, {"cse", plain<cse>},
    {"dead_nodes", plain<dead_nodes>}, {"fuse", fuse_as_asked},
};

}  // namespace

std::span<const GraphPass> simulator_passes() { return kSimulator; }
std::span<const GraphPass> compilation_passes() { return kCompilation; }

}  // namespace openinfer
