// SPDX-License-Identifier: Apache-2.0
// The rows as they stand in rows/*.def, parsed: which row builds on which, and every line with its source. README.md
// has the grammar.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/device.h"

namespace openinfer {

/// `[when api A driver < V]`: the lines below hold only then. Without a condition a line always holds.
struct RowCondition {
  std::optional<Api> api;
  std::optional<std::vector<int>> older_than, at_least;  // driver versions; no driver named is a current one

  bool always() const { return !api && !older_than && !at_least; }
  bool holds(Api chosen, std::string_view driver) const;
};

struct RowLine {
  std::string field, value, source;
  RowCondition when;
};

struct DeviceRow {
  std::string name;
  std::string base;       // "" or the row whose lines come first
  bool abstract = false;  // [base …]: only for others to build on
  std::vector<std::string> aliases;
  std::vector<std::string> called;  // by Vulkan drivers: words of their names for it (found_gpu.h)
  std::vector<RowLine> lines;
};

/// Errors: invalid_argument with the line that is wrong: grammar, unknown field, base that does not stand above, name
/// given twice, number without a source.
std::vector<DeviceRow> parse_rows(std::string_view text);

/// All rows of the database, in the order of their files.
std::vector<DeviceRow> device_rows();

/// The name or alias with '-' and ' ' as '_' and in lower case: how names are compared.
std::string plain_name(std::string_view name);

}  // namespace openinfer
