// SPDX-License-Identifier: Apache-2.0
// What a program holds the package to that it is opened with, beside keys, shapes and dtypes: checksums out of the
// package's index, so that neither emission nor opening reads a weight. Who renames a package, embeds a graph or cuts
// it into shards changes none of them.
#pragma once

#include <cstdint>

#include "codegen/plan/plan.h"
#include "openinfer/model.h"

namespace openinfer::emit {

struct PackageContents {
  std::uint64_t metadata = 0;  // of the METADATA section, of which numbers are compiled in; 0 without one
  std::uint64_t weights = 0;   // over the checksum of each tensor that the plan reads, in the plan's order
};

/// Errors: not_found for a tensor that the package lacks.
PackageContents package_contents(const plan::Plan& plan, const Model& model);

}  // namespace openinfer::emit
