// SPDX-License-Identifier: Apache-2.0
// Where files of the source tree lie, for tests that read them. A function: in a macro on every command line the path
// would keep ccache from finding what a clone elsewhere compiled.
#pragma once

#include <string>

namespace openinfer::testing {

/// A path from the root on ("tests/base/x.bin") as one that can be opened.
std::string source_path(const std::string& from_root);

}  // namespace openinfer::testing
