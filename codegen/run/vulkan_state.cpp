// SPDX-License-Identifier: Apache-2.0
#ifdef OPENINFER_VULKAN
#include "codegen/run/vulkan_state.h"

#include <fmt/format.h>

#include <array>

#include "lib/base/fail.h"

namespace openinfer::run {
namespace {

constexpr const char* kLayer = "VK_LAYER_KHRONOS_validation";

VKAPI_ATTR VkBool32 VKAPI_CALL keep_message(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                            const VkDebugUtilsMessengerCallbackDataEXT* data, void* messages) {
  static_cast<std::vector<std::string>*>(messages)->emplace_back(data->pMessage);
  return VK_FALSE;
}

/// Of an instance; null where it lacks the extension.
template <class F>
F function(VkInstance instance, const char* name) {
  return reinterpret_cast<F>(vkGetInstanceProcAddr(instance, name));
}

bool has_layer() {
  std::uint32_t count = 0;
  vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vkEnumerateInstanceLayerProperties(&count, layers.data());
  for (const VkLayerProperties& layer : layers)
    if (std::string_view(layer.layerName) == kLayer) return true;
  return false;
}

}  // namespace

void check(VkResult result, std::string_view function) {
  if (result == VK_SUCCESS) return;
  const bool memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
  fail(memory ? ErrorCode::out_of_memory : ErrorCode::device_error, "[vulkan] {} gives VkResult {}", function,
       static_cast<int>(result));
}

VulkanDevice::State::State(const VulkanOptions& options) {
  try {
    make_instance(options.validate);
    choose(options.device);
    make_device();
    fail_on_messages("making the device");
  } catch (...) {
    destroy();
    throw;
  }
}

VulkanDevice::State::~State() { destroy(); }

void VulkanDevice::State::destroy() {
  if (device) vkDestroyDevice(device, nullptr);
  if (messenger)
    function<PFN_vkDestroyDebugUtilsMessengerEXT>(instance, "vkDestroyDebugUtilsMessengerEXT")(instance, messenger,
                                                                                               nullptr);
  if (instance) vkDestroyInstance(instance, nullptr);
}

void VulkanDevice::State::make_instance(bool validate) {
  if (validate && !has_layer())
    fail(ErrorCode::unsupported, "[vulkan] {} is not installed (Debian: vulkan-validationlayers)", kLayer);
  const VkApplicationInfo application = {
      .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .pApplicationName = "openinfer", .apiVersion = VK_API_VERSION_1_3};
  const VkDebugUtilsMessengerCreateInfoEXT listen = {
      .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
      .messageSeverity =
          VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
      .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
      .pfnUserCallback = keep_message,
      .pUserData = &messages};
  const std::array enabled = {VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
  const VkValidationFeaturesEXT features = {.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                            .pNext = &listen,
                                            .enabledValidationFeatureCount = enabled.size(),
                                            .pEnabledValidationFeatures = enabled.data()};
  const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  const std::uint32_t one = validate ? 1 : 0;
  const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                     .pNext = validate ? &features : nullptr,
                                     .pApplicationInfo = &application,
                                     .enabledLayerCount = one,
                                     .ppEnabledLayerNames = &kLayer,
                                     .enabledExtensionCount = one,
                                     .ppEnabledExtensionNames = &extension};
  if (const VkResult made = vkCreateInstance(&info, nullptr, &instance); made == VK_ERROR_INCOMPATIBLE_DRIVER)
    fail(ErrorCode::unsupported, "[vulkan] there is no Vulkan driver (for CPUs, Debian: mesa-vulkan-drivers)");
  else
    check(made, "vkCreateInstance");
  if (!validate) return;
  const auto make = function<PFN_vkCreateDebugUtilsMessengerEXT>(instance, "vkCreateDebugUtilsMessengerEXT");
  check(make(instance, &listen, nullptr, &messenger), "vkCreateDebugUtilsMessengerEXT");
}

void VulkanDevice::State::choose(const std::string& wanted) {
  std::uint32_t count = 0;
  check(vkEnumeratePhysicalDevices(instance, &count, nullptr), "vkEnumeratePhysicalDevices");
  std::vector<VkPhysicalDevice> all(count);
  if (count > 0) check(vkEnumeratePhysicalDevices(instance, &count, all.data()), "vkEnumeratePhysicalDevices");
  std::string names;
  for (const VkPhysicalDevice one : all) {
    VkPhysicalDeviceProperties properties = {};
    vkGetPhysicalDeviceProperties(one, &properties);
    names += fmt::format("{}{}", names.empty() ? "" : ", ", properties.deviceName);
    if (!physical && std::string_view(properties.deviceName).find(wanted) != std::string_view::npos) {
      physical = one;
      name = properties.deviceName;
      max_groups_x = properties.limits.maxComputeWorkGroupCount[0];
      max_groups_y = properties.limits.maxComputeWorkGroupCount[1];
      max_workgroup_size = static_cast<int>(properties.limits.maxComputeWorkGroupInvocations);
      shared_memory_bytes = properties.limits.maxComputeSharedMemorySize;
      max_storage_buffer_range_bytes = properties.limits.maxStorageBufferRange;
    }
  }
  if (!physical)
    fail(ErrorCode::unsupported, "[vulkan] no device is called '{}'; there are: {}", wanted,
         names.empty() ? "none" : names);
  vkGetPhysicalDeviceMemoryProperties(physical, &memory);
}

void VulkanDevice::State::make_device() {
  VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
  VkPhysicalDeviceVulkan11Properties properties11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES,
                                                     .pNext = &sizes};
  VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                            .pNext = &properties11};
  vkGetPhysicalDeviceProperties2(physical, &properties);
  VkPhysicalDeviceVulkan13Features has13 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  VkPhysicalDeviceVulkan12Features has12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                            .pNext = &has13};
  VkPhysicalDeviceVulkan11Features has11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
                                            .pNext = &has12};
  VkPhysicalDeviceFeatures2 has = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &has11};
  vkGetPhysicalDeviceFeatures2(physical, &has);
  subgroup_size_control = has13.subgroupSizeControl == VK_TRUE && has13.computeFullSubgroups == VK_TRUE &&
                          (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
  dot_product = has13.shaderIntegerDotProduct == VK_TRUE;
  subgroup_size = properties11.subgroupSize;
  subgroup_size_min = subgroup_size_control ? sizes.minSubgroupSize : properties11.subgroupSize;
  subgroup_size_max = subgroup_size_control ? sizes.maxSubgroupSize : properties11.subgroupSize;

  // Of what the device has, what emitted shaders may use.
  VkPhysicalDeviceVulkan13Features use13 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
                                            .subgroupSizeControl = has13.subgroupSizeControl,
                                            .computeFullSubgroups = has13.computeFullSubgroups,
                                            .shaderIntegerDotProduct = has13.shaderIntegerDotProduct};
  VkPhysicalDeviceVulkan12Features use12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                            .pNext = &use13,
                                            .storageBuffer8BitAccess = has12.storageBuffer8BitAccess,
                                            .shaderFloat16 = has12.shaderFloat16,
                                            .shaderInt8 = has12.shaderInt8,
                                            .shaderSubgroupExtendedTypes = has12.shaderSubgroupExtendedTypes};
  VkPhysicalDeviceVulkan11Features use11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
                                            .pNext = &use12,
                                            .storageBuffer16BitAccess = has11.storageBuffer16BitAccess};
  const VkPhysicalDeviceFeatures2 use = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                         .pNext = &use11,
                                         .features = {.shaderFloat64 = has.features.shaderFloat64,
                                                      .shaderInt64 = has.features.shaderInt64,
                                                      .shaderInt16 = has.features.shaderInt16}};
  std::uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
  while (family < count && (families[family].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) ++family;
  if (family == count) fail(ErrorCode::unsupported, "[vulkan] {} does not compute", name);
  const float priority = 1;
  const VkDeviceQueueCreateInfo queues = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                          .queueFamilyIndex = family,
                                          .queueCount = 1,
                                          .pQueuePriorities = &priority};
  const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                   .pNext = &use,
                                   .queueCreateInfoCount = 1,
                                   .pQueueCreateInfos = &queues};
  check(vkCreateDevice(physical, &info, nullptr, &device), "vkCreateDevice");
  vkGetDeviceQueue(device, family, 0, &queue);
}

void VulkanDevice::State::fail_on_messages(std::string_view about) {
  if (messages.empty()) return;
  std::string all;
  for (const std::string& message : messages) all += "\n  " + message;
  messages.clear();
  fail(ErrorCode::device_error, "[vulkan] {}: the validation layers say{}", about, all);
}

}  // namespace openinfer::run
#endif
