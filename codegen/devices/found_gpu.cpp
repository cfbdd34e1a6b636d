// SPDX-License-Identifier: Apache-2.0
#include "codegen/devices/found_gpu.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "codegen/devices/fields.h"
#include "codegen/devices/table.h"

namespace openinfer {
namespace {

/// "_nvidia_geforce_rtx_4090_": words in plain letters, '_' around each.
std::string spaced(std::string_view title) {
  std::string plain = "_";
  for (const char c : title) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) != 0)
      plain += static_cast<char>(std::tolower(letter));
    else if (plain.back() != '_')
      plain += '_';
  }
  return plain.back() == '_' ? plain : plain + '_';
}

std::vector<std::string> rows_called(const Device& here) {
  std::vector<std::string> names;
  for (const DeviceRow& row : device_rows()) {
    if (row.abstract) continue;
    const Device device = build_row(row.name, std::nullopt, "").device;
    const bool driven = std::find(device.apis.begin(), device.apis.end(), here.api) != device.apis.end();
    if (driven && plain_name(device.vendor) == plain_name(here.vendor) &&
        std::any_of(row.called.begin(), row.called.end(),
                    [&](const std::string& word) { return is_called(here.title, word); }))
      names.push_back(row.name);
  }
  return names;
}

/// What the row has and the driver has too; sizes of subgroups are the driver's.
Device narrowed(Device row, const Device& here, bool has_matrices) {
  const auto least = [](auto& of_row, auto of_driver) { of_row = std::min(of_row, of_driver); };
  row.subgroup_size_min = here.subgroup_size_min, row.subgroup_size_max = here.subgroup_size_max;
  row.subgroup_size_control = here.subgroup_size_control;
  const int most = here.subgroup_size_control ? here.subgroup_size_max : here.lanes,
            fewest = here.subgroup_size_control ? here.subgroup_size_min : here.lanes;
  row.lanes = std::clamp(row.lanes, fewest, most);
  least(row.max_workgroup_size, here.max_workgroup_size);
  least(row.shared_memory_bytes, here.shared_memory_bytes);
  least(row.max_storage_buffer_range_bytes, here.max_storage_buffer_range_bytes);
  least(row.push_constant_bytes, here.push_constant_bytes);
  std::erase_if(row.subgroup_ops, [&](SubgroupOp op) { return !here.has(op); });
  for (const auto feature : {&Device::buffer_device_address, &Device::storage_8bit, &Device::storage_16bit,
                             &Device::int8_arithmetic, &Device::f16_arithmetic})
    row.*feature = row.*feature && here.*feature;
  if (here.dot4 == Dot4::none) row.dot4 = Dot4::none, row.dot4_accelerated = false;
  row.denormals_preserved = row.denormals_preserved && here.denormals_preserved;
  if (!has_matrices) row.mma.clear();
  row.title = here.title;
  row.driver = here.driver;
  return row;
}

}  // namespace

bool is_called(std::string_view title, std::string_view word) {
  const bool begins = word.ends_with('*');
  std::string wanted = spaced(begins ? word.substr(0, word.size() - 1) : word);
  if (begins) wanted.pop_back();
  return spaced(title).find(wanted) != std::string::npos;
}

FoundGpu found_gpu(const Device& here, bool has_matrices) {
  const std::vector<std::string> names = rows_called(here);
  if (names.size() != 1) {
    const std::string why = names.empty()
                                ? "no row of the device database fits it"
                                : fmt::format("several rows of the device database fit it: {}", fmt::join(names, ", "));
    return {here,
            {fmt::format("planned for {} by what its driver says, without tuned numbers and matrix units: {}",
                         here.title, why)}};
  }
  const Device row = build_row(names[0], here.api, here.driver).device;
  FoundGpu found = {narrowed(row, here, has_matrices)};
  found.notes.push_back(fmt::format("planned for {} by the row {} of the device database", here.title, row.name));
  for (const DeviceDifference& d : diff(row, found.device))
    if (find_field(d.field)->applies != FieldFor::identity)
      found.notes.push_back(fmt::format("its driver has {} {}, not {}", d.field, d.b, d.a));
  return found;
}

}  // namespace openinfer
