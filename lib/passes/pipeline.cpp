// SPDX-License-Identifier: Apache-2.0
#include "lib/passes/pipeline.h"

namespace openinfer {
namespace {

// The simulator runs what is wanted and may be asked to watch anything: it needs a sound graph and removes nothing.
constexpr GraphPass kSimulator[] = {
    {"verify", verify_pass},
};

constexpr GraphPass kCompilation[] = {
    {"verify", verify_pass},
    {"dead_nodes", dead_nodes},
};

}  // namespace

std::span<const GraphPass> simulator_passes() { return kSimulator; }
std::span<const GraphPass> compilation_passes() { return kCompilation; }

}  // namespace openinfer
