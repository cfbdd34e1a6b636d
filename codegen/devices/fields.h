// SPDX-License-Identifier: Apache-2.0
// The fields of a Device as one table: how the rows write them, how they are printed, compared and turned into JSON.
// A field that is not here cannot be set by a row and is not seen by `openinfer devices`.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lib/base/device.h"

namespace openinfer {

/// What a field holds, for printers: nothing (unknown), a scalar, a list, or named integers.
using FieldValue = std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>,
                                std::map<std::string, std::int64_t>>;

enum class FieldFor { identity, both, cpu, gpu };  // whom it says something of; identity needs no source

struct Field {
  std::string_view name;
  std::string_view unit;     // "" for counts, names and yes/no
  std::string_view meaning;  // one line
  FieldFor applies;
  FieldValue (*get)(const Device&);
  void (*set)(Device&, std::string_view text);  // the inverse of to_text; Errors: invalid_argument
};

/// In the order in which they are printed.
std::span<const Field> device_fields();

/// The field of that name ("tune.x" finds "tuned"), or null.
const Field* find_field(std::string_view name);

/// Whether a row of this class must give the field.
bool applies(const Field& field, DeviceClass device_class);

/// As the rows write it: "32", "yes", "unlimited", "unknown", "none", "sm_86 sm_87", "16x16x16:f16:f32".
std::string to_text(const FieldValue& value);

/// The words of a text that are apart by spaces.
std::vector<std::string> words(std::string_view text);

}  // namespace openinfer
