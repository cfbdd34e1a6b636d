// SPDX-License-Identifier: Apache-2.0
// What the recording of emitted Vulkan programs asks of a driver, which drivers that run everything in order and
// validation layers that look at one submission do not tell: on a device of this file, which notes commands as text.
#if __has_include(<vulkan/vulkan.h>)
#define VK_NO_PROTOTYPES  // the functions are those below
#include <fmt/format.h>
#include <vulkan/vulkan.h>

#include <catch2/catch.hpp>
#include <deque>

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"  // as codegen/run compiles it
namespace recording_test {
namespace {

/// By command buffer, numbered in the order that they were made in; and which were submitted.
struct Noted {
  std::vector<std::vector<std::string>> commands;
  std::vector<std::size_t> submitted;
  std::deque<std::vector<std::byte>> memory;
};
Noted* noted = nullptr;  // of the test that runs

template <class Handle>
Handle handle_of(std::size_t number) {
  return reinterpret_cast<Handle>(number + 1);
}
template <class Handle>
std::size_t number_of(Handle handle) {
  return reinterpret_cast<std::size_t>(handle) - 1;
}
void note(VkCommandBuffer commands, std::string text) {
  noted->commands.at(number_of(commands)).push_back(std::move(text));
}

VkResult vkAllocateCommandBuffers(VkDevice, const VkCommandBufferAllocateInfo*, VkCommandBuffer* made) {
  *made = handle_of<VkCommandBuffer>(noted->commands.size());
  noted->commands.emplace_back();
  return VK_SUCCESS;
}
void vkFreeCommandBuffers(VkDevice, VkCommandPool, std::uint32_t, const VkCommandBuffer* gone) { note(*gone, "freed"); }
VkResult vkBeginCommandBuffer(VkCommandBuffer, const VkCommandBufferBeginInfo*) { return VK_SUCCESS; }
VkResult vkEndCommandBuffer(VkCommandBuffer) { return VK_SUCCESS; }

/// What is behind whose writes: kernels' and copies', for kernels and copies, or for the host.
void vkCmdPipelineBarrier(VkCommandBuffer commands, VkPipelineStageFlags from, VkPipelineStageFlags to,
                          VkDependencyFlags, std::uint32_t count, const VkMemoryBarrier* barrier, std::uint32_t,
                          const VkBufferMemoryBarrier*, std::uint32_t, const VkImageMemoryBarrier*) {
  constexpr VkPipelineStageFlags kWork = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  constexpr VkAccessFlags kWrites = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  constexpr VkAccessFlags kAll = kWrites | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
  REQUIRE((count == 1 && from == kWork && barrier->srcAccessMask == kWrites));
  const bool host = to == VK_PIPELINE_STAGE_HOST_BIT && barrier->dstAccessMask == VK_ACCESS_HOST_READ_BIT;
  REQUIRE((host || (to == kWork && barrier->dstAccessMask == kAll)));
  note(commands, host ? "barrier to host" : "barrier");
}

void vkCmdBindPipeline(VkCommandBuffer, VkPipelineBindPoint, VkPipeline) {}
void vkCmdBindDescriptorSets(VkCommandBuffer, VkPipelineBindPoint, VkPipelineLayout, std::uint32_t, std::uint32_t,
                             const VkDescriptorSet*, std::uint32_t, const std::uint32_t*) {}
void vkCmdPushConstants(VkCommandBuffer commands, VkPipelineLayout, VkShaderStageFlags, std::uint32_t,
                        std::uint32_t bytes, const void* values) {
  const auto* const starts = static_cast<const std::int32_t*>(values);
  note(commands, fmt::format("starts {}", fmt::join(starts, starts + bytes / 4, " ")));
}
void vkCmdDispatch(VkCommandBuffer commands, std::uint32_t x, std::uint32_t, std::uint32_t) {
  note(commands, fmt::format("dispatch {}", x));
}
void vkCmdDispatchIndirect(VkCommandBuffer commands, VkBuffer, VkDeviceSize) { note(commands, "dispatch"); }
void vkCmdCopyBuffer(VkCommandBuffer commands, VkBuffer from, VkBuffer to, std::uint32_t, const VkBufferCopy* what) {
  note(commands, fmt::format("copy {} of {} at {} to {} at {}", what->size, number_of(from), what->srcOffset,
                             number_of(to), what->dstOffset));
}

VkResult vkCreateDescriptorPool(VkDevice, const VkDescriptorPoolCreateInfo*, const void*, VkDescriptorPool* made) {
  *made = handle_of<VkDescriptorPool>(0);
  return VK_SUCCESS;
}
void vkDestroyDescriptorPool(VkDevice, VkDescriptorPool, const void*) {}
VkResult vkResetDescriptorPool(VkDevice, VkDescriptorPool, VkDescriptorPoolResetFlags) { return VK_SUCCESS; }
VkResult vkAllocateDescriptorSets(VkDevice, const VkDescriptorSetAllocateInfo*, VkDescriptorSet*) { return VK_SUCCESS; }
void vkUpdateDescriptorSets(VkDevice, std::uint32_t, const VkWriteDescriptorSet*, std::uint32_t,
                            const VkCopyDescriptorSet*) {}
// Of timestamps, which the device has none of.
VkResult vkCreateQueryPool(VkDevice, const VkQueryPoolCreateInfo*, const void*, VkQueryPool*) { return VK_SUCCESS; }
void vkDestroyQueryPool(VkDevice, VkQueryPool, const void*) {}
void vkCmdResetQueryPool(VkCommandBuffer, VkQueryPool, std::uint32_t, std::uint32_t) {}
void vkCmdWriteTimestamp(VkCommandBuffer, VkPipelineStageFlagBits, VkQueryPool, std::uint32_t) {}
VkResult vkGetQueryPoolResults(VkDevice, VkQueryPool, std::uint32_t, std::uint32_t, std::size_t, void*, VkDeviceSize,
                               VkQueryResultFlags) {
  return VK_SUCCESS;
}

// Of choosing a device, which nobody does here.
void vkGetPhysicalDeviceProperties(VkPhysicalDevice, VkPhysicalDeviceProperties*) {}
void vkGetPhysicalDeviceProperties2(VkPhysicalDevice, VkPhysicalDeviceProperties2*) {}
void vkGetPhysicalDeviceFeatures2(VkPhysicalDevice, VkPhysicalDeviceFeatures2*) {}
VkResult vkEnumerateDeviceExtensionProperties(VkPhysicalDevice, const char*, std::uint32_t*, VkExtensionProperties*) {
  return VK_SUCCESS;
}

}  // namespace
}  // namespace recording_test

#define MODEL_NAME recording_test
#include "codegen/emit/prelude/host/vulkan_recording.h"

namespace recording_test {

void check(VkResult result, std::string_view) { REQUIRE(result == VK_SUCCESS); }

VulkanDevice::VulkanDevice(const DeviceNeeds&, const DeviceOptions&) {
  properties_.limits.minStorageBufferOffsetAlignment = 16;
  properties_.limits.maxStorageBufferRange = 1 << 27;
  properties_.limits.maxComputeWorkGroupCount[0] = properties_.limits.maxComputeWorkGroupCount[1] = 65535;
}
VulkanDevice::~VulkanDevice() = default;
Place VulkanDevice::reserve(Where where, std::int64_t size_bytes, int element_bytes) {
  const auto number = static_cast<int>(buffers_.size());
  buffers_.push_back({where, size_bytes, handle_of<VkBuffer>(buffers_.size())});
  buffers_.back().at = noted->memory.emplace_back(static_cast<std::size_t>(size_bytes)).data();
  return {.buffer = number, .size_bytes = size_bytes, .element_bytes = element_bytes};
}
std::byte* VulkanDevice::host(const Place& p) const {
  return buffers_[static_cast<std::size_t>(p.buffer)].at + p.offset_bytes + p.start * p.element_bytes;
}
VkDeviceAddress VulkanDevice::address(const Place&) const { return 0; }
void VulkanDevice::submit(VkCommandBuffer commands) { noted->submitted.push_back(number_of(commands)); }
void VulkanDevice::read_back(const Place&, std::span<std::byte>) {}
void VulkanDevice::upload(std::span<const std::pair<Place, std::span<const std::byte>>>,
                          const std::function<void(std::int64_t)>&) {}
void VulkanDevice::throw_on_messages() {}

Pipelines::Pipelines(VulkanDevice& device) : device_(device) {}
Pipelines::~Pipelines() = default;
const Pipelines::Pipeline& Pipelines::get(const Shader& shader) { return all_[&shader]; }

}  // namespace recording_test

#include "codegen/emit/prelude/host/vulkan_recording.cpp"
#undef MODEL_NAME

using namespace recording_test;

namespace {

constexpr Shader kTwice = {.name = "twice", .spirv = {}, .lanes = 32, .subgroups = 1, .access = "rw"};

/// Three places for ten numbers each, and commands over them.
struct Steps {
  explicit Steps(bool varying, Recording::Look look = {}) : recording(device, pipelines, varying, false, look) {}
  Noted notes;
  Noted* const set = noted = &notes;
  VulkanDevice device{{}, {}};
  Pipelines pipelines{device};
  Recording recording;
  Place a = device.reserve(Where::device, 40, 4), b = device.reserve(Where::device, 40, 4),
        c = device.reserve(Where::device, 40, 4);
  void record(const Recording::Steps& steps) {
    recording.measure(steps);
    recording.record(steps);
  }
};

}  // namespace

TEST_CASE("a step's commands wait for those of the step before, and the host's reads for them") {
  Steps s(false);
  s.record([&](Recording& r) {
    r.dispatch(kTwice, 3, {s.a, s.b}, {});
    r.dispatch(kTwice, 4, {s.a, s.c}, {});
    r.copy(s.b, s.a, 5);
  });
  using List = std::vector<std::string>;
  REQUIRE(s.notes.commands.size() == 1);
  // Two that read a go together; what is copied to a waits for both.
  CHECK(s.notes.commands[0] == List{"barrier", "starts 0 0", "dispatch 3", "starts 0 0", "dispatch 4", "barrier",
                                    "copy 20 of 1 at 0 to 0 at 0", "barrier to host"});
}

TEST_CASE("so do those of each part of a step: around a branch, of both its bodies, and around a look") {
  std::vector<int> looks;
  Steps s(false, [&](int tap, std::span<std::byte>) { looks.push_back(tap); });
  s.record([&](Recording& r) {
    r.dispatch(kTwice, 1, {s.a, s.b}, {});
    r.tap(7, s.b, 10);
    r.branch(
        s.c,
        [&] {
          r.dispatch(kTwice, 2, {s.b, s.a}, {});
        },
        [&] { r.copy(s.b, s.a, 10); });
    r.dispatch(kTwice, 3, {s.a, s.b}, {});
  });
  REQUIRE(s.notes.commands.size() == 5);
  for (const std::vector<std::string>& part : s.notes.commands) {
    REQUIRE(!part.empty());
    CHECK(part.front() == "barrier");
    CHECK(part.back() == "barrier to host");
  }
  s.recording.run();
  CHECK(s.notes.submitted == std::vector<std::size_t>{0, 1, 3, 4});  // the flag is 0
  CHECK(looks == std::vector<int>{7});
}

TEST_CASE("steps of other sizes are recorded again if an offset or a copy changed, and only then") {
  Steps s(true);
  std::int64_t rows = 2, start = 0, copied_from = 1;
  const auto steps = [&](Recording& r) {
    r.dispatch(kTwice, rows, {s.a + start, s.b}, {});
    r.copy(s.b + copied_from, s.c, rows);
  };
  s.record(steps);
  const auto last = [&] { return s.notes.commands.back(); };
  CHECK(last() == std::vector<std::string>{"barrier", "starts 0 0", "dispatch", "barrier", "copy 8 of 1 at 4 to 2 at 0",
                                           "barrier to host"});
  s.recording.update(steps);
  CHECK(s.recording.times_recorded() == 1);
  rows = 3;  // of the copy, too
  s.recording.update(steps);
  CHECK(s.recording.times_recorded() == 2);
  CHECK(s.notes.commands.front().back() == "freed");
  CHECK(last().at(4) == "copy 12 of 1 at 4 to 2 at 0");
  start = 4;
  s.recording.update(steps);
  CHECK(s.recording.times_recorded() == 3);
  CHECK(last().at(1) == "starts 4 0");
  copied_from = 0, start = 0;
  s.recording.update(steps);
  CHECK(s.recording.times_recorded() == 4);
  CHECK(last().at(4) == "copy 40 of 1 at 0 to 2 at 0");  // whole, whatever the rows
  rows = 7;
  s.recording.update(steps);
  CHECK(s.recording.times_recorded() == 4);
  s.recording.run();
  CHECK(s.notes.submitted == std::vector<std::size_t>{3});
}
#endif
