// SPDX-License-Identifier: Apache-2.0
// An instance, a device and its one compute queue: what lives as long as a VulkanDevice. Only sources of this folder
// include it, in builds with Vulkan.
#pragma once

#include <vulkan/vulkan.h>

#include <cstring>
#include <string_view>

#include "codegen/run/vulkan_kernel.h"

namespace openinfer::run {

/// Errors: out_of_memory and device_error, with the function's name and the result's.
void check(VkResult result, std::string_view function);

struct VulkanDevice::State {
  explicit State(const VulkanOptions& options);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// What the layers said since the last time, as an error: device_error.
  void fail_on_messages(std::string_view about);

  VkInstance instance = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  std::uint32_t family = 0;
  VkPhysicalDeviceMemoryProperties memory = {};
  std::string name;
  std::uint32_t subgroup_size = 0, subgroup_size_min = 0, subgroup_size_max = 0;
  bool subgroup_size_control = false;  // sizes can be required; else there is one
  std::int64_t max_groups_x = 0, max_groups_y = 0;
  std::int64_t shared_memory_bytes = 0, max_storage_buffer_range_bytes = 0;
  int max_workgroup_size = 0;
  bool dot_product = false;
  std::vector<std::string> messages;

 private:
  void make_instance(bool validate);
  void choose(const std::string& wanted);
  void make_device();
  void destroy();
};

}  // namespace openinfer::run
