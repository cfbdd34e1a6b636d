// The features of Vulkan devices that kernels can need, by name: asked for, and switched on.
#pragma once

#include <vulkan/vulkan.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace MODEL_NAME {

/// How many lanes a subgroup can have, and whether a pipeline can ask for one number.
struct SubgroupSizes {
  std::uint32_t min = 0, max = 0;
  bool can_require = false;
  std::uint32_t usual = 0;  // where a pipeline does not ask
};

/// Feature structures in a chain, as vkGetPhysicalDeviceFeatures2 fills them and vkCreateDevice takes them. What came
/// with Vulkan 1.3 is asked for by the extension's name where the device is older.
class VulkanFeatures {
 public:
  explicit VulkanFeatures(VkPhysicalDevice device) : device_(device) {
    vkGetPhysicalDeviceProperties(device, &properties_);
    std::uint32_t count = 0;
    vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr);
    std::vector<VkExtensionProperties> there(count);
    vkEnumerateDeviceExtensionProperties(device, nullptr, &count, there.data());
    has_subgroup_size_ = optional(there, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    has_dot_product_ = optional(there, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME);
    has_memory_budget_ = extension(there, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    has_matrices_ = extension(there, VK_NV_COOPERATIVE_MATRIX_EXTENSION_NAME);
    chain();
    vkGetPhysicalDeviceFeatures2(device, &all_);
  }
  VulkanFeatures(const VulkanFeatures&) = delete;
  VulkanFeatures& operator=(const VulkanFeatures&) = delete;

  const VkPhysicalDeviceProperties& properties() const { return properties_; }
  const std::vector<const char*>& extensions() const { return extensions_; }
  const VkPhysicalDeviceFeatures2& all() const { return all_; }
  bool has_memory_budget() const { return has_memory_budget_; }

  bool has(std::string_view name) {
    if (VkBool32* const flag = find(name)) return *flag == VK_TRUE;
    return has_subgroup_operation(name);
  }
  /// Everything off but these.
  void keep(const std::vector<std::string_view>& names, bool subgroup_size_control) {
    clear();
    for (const std::string_view name : names)
      if (VkBool32* const flag = find(name)) *flag = VK_TRUE;
    subgroup_size_.subgroupSizeControl = subgroup_size_.computeFullSubgroups = subgroup_size_control;
  }

  SubgroupSizes subgroup_sizes() const {
    VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
                                                   .pNext = has_subgroup_size_ ? &sizes : nullptr};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                              .pNext = &subgroup};
    vkGetPhysicalDeviceProperties2(device_, &properties);
    const bool can = has_subgroup_size_ && subgroup_size_.subgroupSizeControl && subgroup_size_.computeFullSubgroups &&
                     (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
    if (can) return {sizes.minSubgroupSize, sizes.maxSubgroupSize, true, subgroup.subgroupSize};
    return {subgroup.subgroupSize, subgroup.subgroupSize, false, subgroup.subgroupSize};
  }

 private:
  /// Is it there, in the core or as an extension, which then is switched on?
  bool optional(const std::vector<VkExtensionProperties>& there, const char* name) {
    return properties_.apiVersion >= VK_API_VERSION_1_3 || extension(there, name);
  }
  bool extension(const std::vector<VkExtensionProperties>& there, const char* name) {
    for (const VkExtensionProperties& e : there)
      if (std::strcmp(e.extensionName, name) == 0) {
        extensions_.push_back(name);
        return true;
      }
    return false;
  }
  void chain() {
    void** next = &all_.pNext;
    const auto add = [&](auto& features) {
      *next = &features;
      next = &features.pNext;
    };
    add(v11_);
    add(v12_);
    if (has_subgroup_size_) add(subgroup_size_);
    if (has_dot_product_) add(dot_product_);
    if (has_matrices_) add(matrices_);
  }
  void clear() {
    all_ = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    v11_ = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
    v12_ = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    subgroup_size_ = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
    matrices_ = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_NV};
    dot_product_ = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
    chain();
  }
  VkBool32* find(std::string_view name) {
    if (name == "storageBuffer8BitAccess") return &v12_.storageBuffer8BitAccess;
    if (name == "storageBuffer16BitAccess") return &v11_.storageBuffer16BitAccess;
    if (name == "shaderInt8") return &v12_.shaderInt8;
    if (name == "shaderInt16") return &all_.features.shaderInt16;
    if (name == "shaderInt64") return &all_.features.shaderInt64;
    if (name == "shaderFloat16") return &v12_.shaderFloat16;
    if (name == "shaderFloat64") return &all_.features.shaderFloat64;
    if (name == "shaderSubgroupExtendedTypes") return &v12_.shaderSubgroupExtendedTypes;
    if (name == "bufferDeviceAddress") return &v12_.bufferDeviceAddress;
    if (name == "shaderIntegerDotProduct") return &dot_product_.shaderIntegerDotProduct;
    if (name == "vulkanMemoryModel") return &v12_.vulkanMemoryModel;
    if (name == "cooperativeMatrix") return &matrices_.cooperativeMatrix;
    return nullptr;
  }
  bool has_subgroup_operation(std::string_view name) const {
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                              .pNext = &subgroup};
    vkGetPhysicalDeviceProperties2(device_, &properties);
    VkSubgroupFeatureFlags wanted = 0;
    if (name == "subgroupBasic") wanted = VK_SUBGROUP_FEATURE_BASIC_BIT;
    if (name == "subgroupArithmetic") wanted = VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    if (name == "subgroupBallot") wanted = VK_SUBGROUP_FEATURE_BALLOT_BIT;
    return wanted != 0 && (subgroup.supportedOperations & wanted) != 0 &&
           (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
  }

  VkPhysicalDevice device_;
  VkPhysicalDeviceProperties properties_ = {};
  std::vector<const char*> extensions_;
  bool has_subgroup_size_ = false, has_dot_product_ = false, has_memory_budget_ = false, has_matrices_ = false;
  VkPhysicalDeviceFeatures2 all_ = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDeviceVulkan11Features v11_ = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
  VkPhysicalDeviceVulkan12Features v12_ = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size_ = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
  VkPhysicalDeviceCooperativeMatrixFeaturesNV matrices_ = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_NV};
  VkPhysicalDeviceShaderIntegerDotProductFeatures dot_product_ = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
};

}  // namespace MODEL_NAME
