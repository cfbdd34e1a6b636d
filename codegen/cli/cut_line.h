// SPDX-License-Identifier: Apache-2.0
// What the command says when a page of a mapped package has no file behind it any more.
#pragma once

#include <string>
#include <string_view>

namespace openinfer::cli {

/// Made before it is needed: SIGBUS's handler may not take memory. Of the process, as the handler is.
std::string& cut_line();
/// The package that is about to be opened, for that line.
void name_open_package(std::string_view path);

}  // namespace openinfer::cli
