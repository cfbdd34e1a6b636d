// SPDX-License-Identifier: Apache-2.0
#include "lib/base/device.h"

#include <fmt/format.h>

#include <algorithm>

#include "lib/base/fail.h"

namespace openinfer {

std::string_view name(DeviceClass device_class) {
  switch (device_class) {
    case DeviceClass::cpu: return "cpu";
    case DeviceClass::gpu: return "gpu";
  }
  fail(ErrorCode::invalid_argument, "[device] {} is no DeviceClass", static_cast<int>(device_class));
}

std::string_view name(Api api) {
  switch (api) {
    case Api::cpu: return "cpu";
    case Api::vulkan: return "vulkan";
    case Api::cuda: return "cuda";
  }
  fail(ErrorCode::invalid_argument, "[device] {} is no Api", static_cast<int>(api));
}

std::string_view name(Dot4 dot4) {
  switch (dot4) {
    case Dot4::none: return "none";
    case Dot4::ss: return "ss";
    case Dot4::us: return "us";
    case Dot4::us_sat16: return "us_sat16";
  }
  fail(ErrorCode::invalid_argument, "[device] {} is no Dot4", static_cast<int>(dot4));
}

std::string_view name(SubgroupOp op) {
  switch (op) {
    case SubgroupOp::basic: return "basic";
    case SubgroupOp::vote: return "vote";
    case SubgroupOp::arithmetic: return "arithmetic";
    case SubgroupOp::ballot: return "ballot";
    case SubgroupOp::shuffle: return "shuffle";
    case SubgroupOp::shuffle_relative: return "shuffle_relative";
    case SubgroupOp::clustered: return "clustered";
    case SubgroupOp::quad: return "quad";
  }
  fail(ErrorCode::invalid_argument, "[device] {} is no SubgroupOp", static_cast<int>(op));
}

int Device::tuned_or(std::string_view parameter, int otherwise) const {
  const auto found = tuned.find(parameter);
  return found == tuned.end() ? otherwise : found->second;
}

bool Device::has_isa(std::string_view feature) const { return std::find(isa.begin(), isa.end(), feature) != isa.end(); }

bool Device::has(SubgroupOp op) const {
  return std::find(subgroup_ops.begin(), subgroup_ops.end(), op) != subgroup_ops.end();
}

std::string DeviceSpec::to_string() const {
  std::string text(class_ ? openinfer::name(*class_) : "");
  const auto say = [&](std::string_view what, const std::string& value) {
    if (!value.empty()) text += fmt::format("{}{} '{}'", text.empty() ? "" : ", ", what, value);
  };
  say("name", name_);
  say("api", api_);
  say("vendor", vendor_);
  say("architecture", architecture_);
  say("driver", driver_);
  return text;
}

}  // namespace openinfer
