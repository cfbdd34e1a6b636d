// SPDX-License-Identifier: Apache-2.0
// Captures the user's line: a defaulted At parameter is filled in at the call, with g++ 12 and clang 14.
#pragma once

#include "openinfer/error.h"

namespace openinfer {

struct At : Location {
  At(const Location& known) : Location(known) {}  // Location{}: an error names no line
  At(const char* file = __builtin_FILE(), int line = __builtin_LINE()) : Location{file, line} {}
};

}  // namespace openinfer
