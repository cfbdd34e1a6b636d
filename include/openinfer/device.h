// SPDX-License-Identifier: Apache-2.0
// Which device to compile for, in the user's words. A DeviceSpec is a wish; the device database turns it into the one
// row that fits, or into an Error that says which rows come near. It needs no such device and no driver to be present.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace openinfer {

enum class DeviceClass { cpu, gpu };

/// "cpu" or "gpu".
std::string_view name(DeviceClass device_class);

///   DeviceSpec::gpu().api("vulkan").vendor("NVIDIA").architecture("ada_lovelace").driver("555.xx")
///   DeviceSpec::named("zen4")       a name or alias of `openinfer devices`; "this-cpu" is the machine that asks
/// Upper and lower case are the same, and so are '-', '_' and ' '. What is not said is not asked for: a driver that is
/// not named is a current one, an api that is not named is the device's first.
class DeviceSpec {
 public:
  static DeviceSpec cpu() { return DeviceSpec(DeviceClass::cpu); }
  static DeviceSpec gpu() { return DeviceSpec(DeviceClass::gpu); }
  static DeviceSpec named(std::string name) {
    DeviceSpec spec{std::nullopt};
    spec.name_ = std::move(name);
    return spec;
  }

  /// "cpu", "vulkan" or "cuda".
  DeviceSpec& api(std::string value) { return api_ = std::move(value), *this; }
  DeviceSpec& vendor(std::string value) { return vendor_ = std::move(value), *this; }
  /// "ada_lovelace", "zen4"; "ampere" fits two rows and is refused with their names.
  DeviceSpec& architecture(std::string value) { return architecture_ = std::move(value), *this; }
  /// The driver's version: "555.42.02" or "555.xx" (a part that is not said counts as the oldest), "Mesa 24.1".
  DeviceSpec& driver(std::string value) { return driver_ = std::move(value), *this; }

  const std::optional<DeviceClass>& device_class() const { return class_; }
  const std::string& name() const { return name_; }
  const std::string& api() const { return api_; }
  const std::string& vendor() const { return vendor_; }
  const std::string& architecture() const { return architecture_; }
  const std::string& driver() const { return driver_; }

  /// "gpu, vendor 'NVIDIA', driver '555.xx'": the wish as errors quote it.
  std::string to_string() const;

 private:
  explicit DeviceSpec(std::optional<DeviceClass> device_class) : class_(device_class) {}

  std::optional<DeviceClass> class_;
  std::string name_, api_, vendor_, architecture_, driver_;  // empty: not asked for
};

}  // namespace openinfer
