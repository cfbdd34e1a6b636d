// SPDX-License-Identifier: Apache-2.0
// The device database: a wish in, a Device out. The rows stand in rows/*.def, each number with its source; the machine
// that runs this is the row "this-cpu", which is detected.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/device.h"

namespace openinfer {

/// A Device and where each of its numbers comes from, by field name.
struct SourcedDevice {
  Device device;
  std::map<std::string, std::string, std::less<>> sources;
};

/// The one row that fits, for the wish's api (else the row's first) and driver (else a current one).
/// Errors: not_found, with the nearest names; invalid_argument, if several rows fit (it lists them) or the driver has
/// no number; unsupported, if the row cannot be driven by that api.
Device resolve(const DeviceSpec& spec);
SourcedDevice resolve_with_sources(const DeviceSpec& spec);

/// Every name that resolve() knows, "this-cpu" last.
std::vector<std::string> device_names();

/// The lines of a row and of what it builds on, applied. For this_cpu(), which builds on a [base …].
SourcedDevice build_row(std::string_view name, std::optional<Api> api, const std::string& driver);

/// What code emitted for `wanted` needs and `here` lacks: names of instruction sets, or "a cpu". Empty: it runs.
std::vector<std::string> missing_features(const Device& wanted, const Device& here);

/// A field in which two devices differ, as the rows write it.
struct DeviceDifference {
  std::string field, unit, a, b;
};
std::vector<DeviceDifference> diff(const Device& a, const Device& b);

}  // namespace openinfer
