// SPDX-License-Identifier: Apache-2.0
// The walk over all places of a shape that elementwise kernels and moves share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

struct Walk {
  std::vector<GridFactor> grid;
  std::string reason;
};

/// Each place of the shape once: neighbouring lanes along the last axis, a chunk of it or several short rows for each
/// workgroup. `body` gets the index along each axis.
Walk over_axes(kir::Build& k, const std::vector<Extent>& axes,
               const std::function<void(const std::vector<kir::Val>& at)>& body);

/// The number of an element of a dense tensor.
kir::Val flatten(kir::Build& k, const std::vector<Extent>& axes, const std::vector<kir::Val>& at);
/// The index along each axis of element `flat` of a dense tensor.
std::vector<kir::Val> unflatten(kir::Build& k, const std::vector<Extent>& axes, kir::Val flat);

}  // namespace openinfer::kernels
