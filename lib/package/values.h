// SPDX-License-Identifier: Apache-2.0
// Typed values of a package -> C++ values and printed text.
#pragma once

#include <string>

#include "formats/opnf/reader.h"

namespace openinfer {

/// T is bool, int64, double, std::string or a vector of one. Any integer fits int64; integers below 2^53 and any float
/// fit double. Errors: opnf::Error(wrong_type).
template <class T>
T convert(const opnf::Value& value);

/// "30", "[1, 2, … (49152 elements)]", "{% for m in … (1200 bytes)": one line.
std::string print(const opnf::Value& value);

}  // namespace openinfer
