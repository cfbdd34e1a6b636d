// SPDX-License-Identifier: Apache-2.0
// One emitted shader at a time on a Vulkan device in this process: memory in, one dispatch, memory out, by the host
// code that emitted programs have. Made for tests and checks; nothing stays on the device between two calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codegen/devices/found_gpu.h"
#include "lib/base/device.h"

namespace openinfer::run {

/// Was this build configured with Vulkan?
bool has_vulkan();

struct VulkanOptions {
  std::string device = "";  // a part of the device's name, as the driver gives it ("llvmpipe"); "": the first
  bool validate = false;    // with the validation layer, its synchronisation checks too: a message is an error
};

/// A dispatch by the conventions of codegen/emit/README.md.
struct VulkanDispatch {
  std::string name;  // for messages
  std::vector<std::uint32_t> spirv = {};
  int lanes = 0;                                   // required subgroup size
  int subgroups = 1;                               // of a workgroup
  std::string access = {};                         // of each buffer, as emit::VulkanShader has it; what lacks: 'b'
  std::vector<std::span<std::byte>> buffers = {};  // written back afterwards
  std::vector<std::int32_t> starts = {};           // first element of each buffer; empty: 0
  std::vector<int> element_bytes = {};             // of each buffer that begins at another element and is not bound
  std::vector<std::int32_t> params = {};
  std::int64_t groups = 0;
};

class VulkanDevice {
 public:
  /// Errors: unsupported without a driver, a device of that name, the validation layer, or has_vulkan(); the message
  /// names the devices that are there.
  explicit VulkanDevice(const VulkanOptions& options);
  ~VulkanDevice();
  VulkanDevice(const VulkanDevice&) = delete;
  VulkanDevice& operator=(const VulkanDevice&) = delete;

  const std::string& name() const;
  int subgroup_size_min() const;
  int subgroup_size_max() const;
  /// What the driver says, as the device database would have it, for kernels that run here: its name is "this-gpu".
  Device describe() const;
  /// By its row of the database, where one fits.
  FoundGpu found() const;
  /// Errors: unsupported for a subgroup size that the device does not have; out_of_memory; device_error for what the
  /// driver refuses and, if validating, for what the layers say.
  void run(const VulkanDispatch& dispatch);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace openinfer::run
