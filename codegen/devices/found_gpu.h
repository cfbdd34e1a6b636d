// SPDX-License-Identifier: Apache-2.0
// A GPU that is here: which row of the database it is, by what its driver says, and how much of the row holds.
#pragma once

#include <string>
#include <vector>

#include "codegen/devices/devices.h"

namespace openinfer {

struct FoundGpu {
  Device device;                        // the row, narrowed to what the driver has; else what the driver says
  std::vector<std::string> notes = {};  // for plan.txt: which of them, and what was narrowed
};

/// `here`: what a Vulkan driver says of a device: title (the driver's name for it), vendor, driver, limits and
/// features; its name is that of no row. `has_matrices`: the driver has fragments of matrices, in shapes that it was
/// not asked for. The row is the one of that vendor of whose `called` words one stands in the title; several or none:
/// no row.
FoundGpu found_gpu(const Device& here, bool has_matrices);

/// Does a word of `called` stand in the title? Compared as plain letters and digits; a word that ends in '*' is the
/// beginning of one: "geforce_rtx_40*" stands in "NVIDIA GeForce RTX 4090", "l4" does not stand in "NVIDIA L40".
bool is_called(std::string_view title, std::string_view word);

}  // namespace openinfer
