// SPDX-License-Identifier: Apache-2.0
// Two texts compared line by line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace openinfer::cli {

struct DiffLine {
  enum class Kind : char { both = ' ', first = '-', second = '+' };
  Kind kind = Kind::both;
  std::string_view text;  // of the text it came from
};

/// As few lines as can be are not in both; where several ways are as short, those of the first text come first.
std::vector<DiffLine> diff_lines(std::string_view first, std::string_view second);

/// Of one kind.
std::size_t count(const std::vector<DiffLine>& lines, DiffLine::Kind kind);

/// The unified form, with three lines around each change; "" for equal texts.
std::string unified_diff(const std::vector<DiffLine>& lines, std::string_view first_name, std::string_view second_name);

}  // namespace openinfer::cli
