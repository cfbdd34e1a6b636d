// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/vulkan_kernel.h"

#include <fmt/format.h>

#include "lib/base/fail.h"

#ifdef OPENINFER_VULKAN
#include "codegen/run/vulkan_state.h"
#endif

namespace openinfer::run {

#ifdef OPENINFER_VULKAN
namespace {

/// Vulkan objects of one dispatch; all go when it ends, however it ends.
class Running {
 public:
  Running(VkDevice device, const VkPhysicalDeviceMemoryProperties& memory) : device_(device), memory_(memory) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    for (const Buffer& b : buffers_) {
      vkDestroyBuffer(device_, b.buffer, nullptr);
      vkFreeMemory(device_, b.memory, nullptr);
    }
    vkDestroyFence(device_, fence_, nullptr);
    vkDestroyCommandPool(device_, commands_, nullptr);
    vkDestroyPipeline(device_, pipeline_, nullptr);
    vkDestroyPipelineLayout(device_, layout_, nullptr);
    vkDestroyDescriptorPool(device_, descriptors_, nullptr);
    vkDestroyDescriptorSetLayout(device_, set_layout_, nullptr);
    vkDestroyShaderModule(device_, shader_, nullptr);
  }

  void add_buffer(std::span<const std::byte> content);
  void make_pipeline(const VulkanDispatch& d, bool size_control);
  void make_set();
  void submit(VkQueue queue, std::uint32_t family, const VulkanDispatch& d, std::uint32_t x, std::uint32_t y);
  void read_back(std::size_t buffer, std::span<std::byte> to) const {
    std::memcpy(to.data(), buffers_[buffer].at, to.size());
  }

 private:
  struct Buffer {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    void* at = nullptr;
  };
  std::uint32_t memory_type(std::uint32_t allowed) const;

  VkDevice device_;
  const VkPhysicalDeviceMemoryProperties& memory_;
  std::vector<Buffer> buffers_;
  VkShaderModule shader_ = VK_NULL_HANDLE;
  VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
  VkDescriptorPool descriptors_ = VK_NULL_HANDLE;
  VkDescriptorSet set_ = VK_NULL_HANDLE;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  VkPipeline pipeline_ = VK_NULL_HANDLE;
  VkCommandPool commands_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
};

std::uint32_t Running::memory_type(std::uint32_t allowed) const {
  const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  for (std::uint32_t i = 0; i < memory_.memoryTypeCount; ++i)
    if ((allowed >> i & 1) != 0 && (memory_.memoryTypes[i].propertyFlags & wanted) == wanted) return i;
  fail(ErrorCode::device_error, "[vulkan] the device has no memory that the host sees");
}

void Running::add_buffer(std::span<const std::byte> content) {
  Buffer& b = buffers_.emplace_back();
  const VkDeviceSize size = std::max<VkDeviceSize>(content.size() + 3, 4) / 4 * 4;
  const VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                   .size = size,
                                   .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                                   .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
  check(vkCreateBuffer(device_, &info, nullptr, &b.buffer), "vkCreateBuffer");
  VkMemoryRequirements needs = {};
  vkGetBufferMemoryRequirements(device_, b.buffer, &needs);
  const VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                         .allocationSize = needs.size,
                                         .memoryTypeIndex = memory_type(needs.memoryTypeBits)};
  check(vkAllocateMemory(device_, &allocate, nullptr, &b.memory), "vkAllocateMemory");
  check(vkBindBufferMemory(device_, b.buffer, b.memory, 0), "vkBindBufferMemory");
  check(vkMapMemory(device_, b.memory, 0, VK_WHOLE_SIZE, 0, &b.at), "vkMapMemory");
  if (!content.empty()) std::memcpy(b.at, content.data(), content.size());
}

void Running::make_pipeline(const VulkanDispatch& d, bool size_control) {
  const VkShaderModuleCreateInfo module = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                           .codeSize = d.spirv.size() * sizeof(std::uint32_t),
                                           .pCode = d.spirv.data()};
  check(vkCreateShaderModule(device_, &module, nullptr, &shader_), "vkCreateShaderModule");
  std::vector<VkDescriptorSetLayoutBinding> bindings;
  for (std::uint32_t i = 0; i < buffers_.size(); ++i)
    bindings.push_back({.binding = i,
                        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                        .descriptorCount = 1,
                        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT});
  const VkDescriptorSetLayoutCreateInfo set = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                               .bindingCount = static_cast<std::uint32_t>(bindings.size()),
                                               .pBindings = bindings.data()};
  check(vkCreateDescriptorSetLayout(device_, &set, nullptr, &set_layout_), "vkCreateDescriptorSetLayout");
  const VkPushConstantRange starts = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                      .size = static_cast<std::uint32_t>(d.buffers.size() * sizeof(std::int32_t))};
  const VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                             .setLayoutCount = 1,
                                             .pSetLayouts = &set_layout_,
                                             .pushConstantRangeCount = d.buffers.empty() ? 0u : 1u,
                                             .pPushConstantRanges = &starts};
  check(vkCreatePipelineLayout(device_, &layout, nullptr, &layout_), "vkCreatePipelineLayout");
  const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required = {
      .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
      .requiredSubgroupSize = static_cast<std::uint32_t>(d.lanes)};
  const VkPipelineShaderStageCreateFlags full =
      size_control
          ? static_cast<VkPipelineShaderStageCreateFlags>(VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT)
          : 0;
  const VkComputePipelineCreateInfo pipeline = {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
                                                .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                          .pNext = size_control ? &required : nullptr,
                                                          .flags = full,
                                                          .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                                                          .module = shader_,
                                                          .pName = "main"},
                                                .layout = layout_};
  check(vkCreateComputePipelines(device_, VK_NULL_HANDLE, 1, &pipeline, nullptr, &pipeline_),
        "vkCreateComputePipelines");
}

void Running::make_set() {
  const auto count = static_cast<std::uint32_t>(buffers_.size());
  const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, count};
  const VkDescriptorPoolCreateInfo pool = {
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1, .poolSizeCount = 1, .pPoolSizes = &size};
  check(vkCreateDescriptorPool(device_, &pool, nullptr, &descriptors_), "vkCreateDescriptorPool");
  const VkDescriptorSetAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                                .descriptorPool = descriptors_,
                                                .descriptorSetCount = 1,
                                                .pSetLayouts = &set_layout_};
  check(vkAllocateDescriptorSets(device_, &allocate, &set_), "vkAllocateDescriptorSets");
  std::vector<VkDescriptorBufferInfo> infos;
  for (const Buffer& b : buffers_) infos.push_back({b.buffer, 0, VK_WHOLE_SIZE});
  const VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                      .dstSet = set_,
                                      .descriptorCount = count,
                                      .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                      .pBufferInfo = infos.data()};
  vkUpdateDescriptorSets(device_, 1, &write, 0, nullptr);
}

void Running::submit(VkQueue queue, std::uint32_t family, const VulkanDispatch& d, std::uint32_t x, std::uint32_t y) {
  const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                        .queueFamilyIndex = family};
  check(vkCreateCommandPool(device_, &pool, nullptr, &commands_), "vkCreateCommandPool");
  const VkCommandBufferAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                .commandPool = commands_,
                                                .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                .commandBufferCount = 1};
  VkCommandBuffer commands = VK_NULL_HANDLE;
  check(vkAllocateCommandBuffers(device_, &allocate, &commands), "vkAllocateCommandBuffers");
  const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                          .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
  vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_);
  vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout_, 0, 1, &set_, 0, nullptr);
  std::vector<std::int32_t> starts = d.starts;
  starts.resize(d.buffers.size());
  if (!starts.empty())
    vkCmdPushConstants(commands, layout_, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                       static_cast<std::uint32_t>(starts.size() * sizeof(std::int32_t)), starts.data());
  vkCmdDispatch(commands, x, y, 1);
  const VkMemoryBarrier written = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                   .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                   .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
  vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &written, 0,
                       nullptr, 0, nullptr);
  check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");
  const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  check(vkCreateFence(device_, &fence, nullptr, &fence_), "vkCreateFence");
  const VkSubmitInfo submit = {
      .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands};
  check(vkQueueSubmit(queue, 1, &submit, fence_), "vkQueueSubmit");
  check(vkWaitForFences(device_, 1, &fence_, VK_TRUE, UINT64_MAX), "vkWaitForFences");
}

}  // namespace

bool has_vulkan() { return true; }

VulkanDevice::VulkanDevice(const VulkanOptions& options) : state_(std::make_unique<State>(options)) {}
VulkanDevice::~VulkanDevice() = default;

const std::string& VulkanDevice::name() const { return state_->name; }
int VulkanDevice::subgroup_size_min() const { return static_cast<int>(state_->subgroup_size_min); }
int VulkanDevice::subgroup_size_max() const { return static_cast<int>(state_->subgroup_size_max); }

Device VulkanDevice::describe() const {
  Device d;
  d.name = "this-gpu";
  d.title = state_->name;
  d.device_class = DeviceClass::gpu;
  d.apis = {Api::vulkan};
  d.api = Api::vulkan;
  d.lanes = static_cast<int>(state_->subgroup_size);
  d.subgroup_size_min = subgroup_size_min();
  d.subgroup_size_max = subgroup_size_max();
  d.subgroup_size_control = state_->subgroup_size_control;
  d.subgroups = 4;  // as the rows of GPUs have it
  d.max_workgroup_size = state_->max_workgroup_size;
  d.max_group_count_x = state_->max_groups_x;
  d.max_group_count_y = state_->max_groups_y;
  d.shared_memory_bytes = state_->shared_memory_bytes;
  d.max_storage_buffer_range_bytes = state_->max_storage_buffer_range_bytes;
  d.dot4 = state_->dot_product ? Dot4::ss : Dot4::none;
  return d;
}

void VulkanDevice::run(const VulkanDispatch& d) {
  State& s = *state_;
  if (d.lanes < subgroup_size_min() || d.lanes > subgroup_size_max())
    fail(ErrorCode::unsupported, "[vulkan] {}: built for subgroups of {} lanes, {} has {} to {}", d.name, d.lanes,
         s.name, subgroup_size_min(), subgroup_size_max());
  {
    Running running(s.device, s.memory);
    for (const std::span<std::byte> b : d.buffers) running.add_buffer(b);
    std::vector<std::int32_t> params = {static_cast<std::int32_t>(d.groups)};
    params.insert(params.end(), d.params.begin(), d.params.end());
    running.add_buffer(std::as_bytes(std::span(params)));
    running.make_pipeline(d, s.subgroup_size_control);
    running.make_set();
    const std::int64_t most = d.groups_in_row > 0 ? d.groups_in_row : s.max_groups_x;
    const std::int64_t x = std::max<std::int64_t>(std::min(d.groups, most), 1), y = (d.groups + x - 1) / x;
    if (y > s.max_groups_y) fail(ErrorCode::unsupported, "[vulkan] {}: {} workgroups are too many", d.name, d.groups);
    running.submit(s.queue, s.family, d, static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y));
    for (std::size_t i = 0; i < d.buffers.size(); ++i) running.read_back(i, d.buffers[i]);
  }
  s.fail_on_messages(d.name);
}

#else

struct VulkanDevice::State {
  std::string name;
};

bool has_vulkan() { return false; }

VulkanDevice::VulkanDevice(const VulkanOptions&) {
  fail(ErrorCode::unsupported, "[vulkan] this build has no Vulkan; install libvulkan-dev and configure again");
}
VulkanDevice::~VulkanDevice() = default;
const std::string& VulkanDevice::name() const { return state_->name; }
int VulkanDevice::subgroup_size_min() const { return 0; }
int VulkanDevice::subgroup_size_max() const { return 0; }
Device VulkanDevice::describe() const { return {}; }
void VulkanDevice::run(const VulkanDispatch&) {}

#endif

}  // namespace openinfer::run
