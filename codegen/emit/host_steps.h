// SPDX-License-Identifier: Apache-2.0
// The steps of one entry point as a member function in C++.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "codegen/emit/host_buffers.h"

namespace openinfer::emit {

/// Name of the member function, unlike anything else in the class.
std::string entry_function(const plan::EntryPoint& entry);

/// "  void decode(const int* tok, …, float* logits) { … }" of an entry, with its comments.
std::string entry_cpp(const HostBuffers& buffers, int entry);

/// A C++ expression for the places that a family's members have in its array: "l", "(l - 2) * 8 + 3".
std::string member_index(const plan::Buffer& family, const std::vector<Dim>& member,
                         const std::function<std::string(std::string_view)>& name);

/// What a symbol of the plan is called where nothing else is.
std::string comment_of(const plan::Buffer& buffer);

}  // namespace openinfer::emit
