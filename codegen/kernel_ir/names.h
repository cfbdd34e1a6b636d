// SPDX-License-Identifier: Apache-2.0
// One naming for all languages: which values become named temporaries and what everything is called.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

/// Values without a name are printed in place. Named are: what the author called by Build::let; what is used more than
/// once and costs anything; what a deeper loop or branch uses, or a loop's condition; lane operations; what was read
/// before a write that stands between the read and its use.
struct Names {
  std::vector<std::string> values;     // by node: temporaries and loop indices; "": in place
  std::vector<std::string> variables;  // by Kernel::variables
};

/// Names are unique where they can be seen; none is in `reserved` or a name of a buffer, parameter or function.
Names choose_names(const Kernel& kernel, std::span<const std::string_view> reserved);

/// Constants, parameters, places and indices: printed wherever they are used.
bool is_atom(const Node& node);

}  // namespace openinfer::kir
