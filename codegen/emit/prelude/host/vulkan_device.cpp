#include "vulkan_device.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <iterator>

namespace MODEL_NAME {
namespace {

constexpr const char* kLayer = "VK_LAYER_KHRONOS_validation";
constexpr std::int64_t kStagingBytes = 16 << 20;

VKAPI_ATTR VkBool32 VKAPI_CALL keep_message(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                            const VkDebugUtilsMessengerCallbackDataEXT* data, void* messages) {
  static_cast<std::vector<std::string>*>(messages)->emplace_back(data->pMessage);
  return VK_FALSE;
}

template <class F>
F function(VkInstance instance, const char* name) {
  return reinterpret_cast<F>(vkGetInstanceProcAddr(instance, name));
}

bool has_layer() {
  std::uint32_t count = 0;
  vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vkEnumerateInstanceLayerProperties(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(),
                     [](const VkLayerProperties& l) { return std::string_view(l.layerName) == kLayer; });
}

/// What a device lacks; empty if nothing.
std::string lack(VkPhysicalDevice device, const DeviceNeeds& needs) {
  VkPhysicalDeviceProperties properties = {};
  vkGetPhysicalDeviceProperties(device, &properties);
  if (properties.apiVersion < VK_API_VERSION_1_2) return "Vulkan 1.2";
  VulkanFeatures features(device);
  for (const std::string_view name : needs.features)
    if (!features.has(name)) return std::string(name);
  const auto subgroups = features.subgroup_sizes();
  if (needs.lanes != 0 && (needs.lanes < subgroups.min || needs.lanes > subgroups.max))
    return "subgroups of " + std::to_string(needs.lanes) + " lanes (it has " + std::to_string(subgroups.min) +
           (subgroups.min == subgroups.max ? "" : " to " + std::to_string(subgroups.max)) + ")";
  const VkPhysicalDeviceLimits& limits = properties.limits;
  if (limits.maxComputeWorkGroupInvocations < needs.workgroup || limits.maxComputeWorkGroupSize[0] < needs.workgroup)
    return "workgroups of " + std::to_string(needs.workgroup);
  if (limits.maxComputeSharedMemorySize < needs.shared_memory_bytes)
    return std::to_string(needs.shared_memory_bytes) + " bytes of shared memory";
  if (limits.maxPerStageDescriptorStorageBuffers < needs.bindings)
    return std::to_string(needs.bindings) + " storage buffers in a shader";
  return "";
}

}  // namespace

void check(VkResult result, std::string_view function) {
  if (result == VK_SUCCESS) return;
  if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY)
    fail(Reason::memory, function, ": the device has no memory left");
  if (result == VK_ERROR_DEVICE_LOST) fail(Reason::device, function, ": the device was lost");
  fail(Reason::device, function, " gives VkResult ", static_cast<int>(result));
}

VulkanDevice::VulkanDevice(const DeviceNeeds& needs, const DeviceOptions& options)
    : program_(needs.program), shaders_(needs.shaders), memory_limit_bytes_(options.memory_limit_bytes) {
  try {
    make_instance(options.validate);
    choose(needs, options.name);
    make_device(needs);
    throw_on_messages();
  } catch (...) {
    destroy();
    throw;
  }
}

VulkanDevice::~VulkanDevice() { destroy(); }

void VulkanDevice::release() {
  const auto free = [&](const Buffer& b) {
    if (b.buffer) vkDestroyBuffer(device_, b.buffer, nullptr);
    if (b.memory) vkFreeMemory(device_, b.memory, nullptr);
  };
  for (const Buffer& b : buffers_) free(b);
  free(staging_);
  buffers_.clear();
  staging_ = {Where::host, 0};
}

void VulkanDevice::destroy() {
  release();
  if (fence_) vkDestroyFence(device_, fence_, nullptr);
  if (pool_) vkDestroyCommandPool(device_, pool_, nullptr);
  if (device_) vkDestroyDevice(device_, nullptr);
  if (messenger_)
    function<PFN_vkDestroyDebugUtilsMessengerEXT>(instance_, "vkDestroyDebugUtilsMessengerEXT")(instance_, messenger_,
                                                                                                nullptr);
  if (instance_) vkDestroyInstance(instance_, nullptr);
  // What the layer says of objects that were left: too late for an Error, and nothing to be silent about.
  for (const std::string& message : messages_) std::fprintf(stderr, "validation: %s\n", message.c_str());
}

// --- which device ---

void VulkanDevice::make_instance(bool validate) {
  if (validate && !has_layer())
    fail(Reason::unsupported, kLayer, " is not installed (Debian: vulkan-validationlayers)");
  const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                         .pApplicationName = program_.c_str(),
                                         .apiVersion = VK_API_VERSION_1_3};
  const VkDebugUtilsMessengerCreateInfoEXT listen = {
      .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
      .messageSeverity =
          VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
      .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
      .pfnUserCallback = keep_message,
      .pUserData = &messages_};
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
  const VkResult made = vkCreateInstance(&info, nullptr, &instance_);
  if (made == VK_ERROR_INCOMPATIBLE_DRIVER)
    fail(Reason::unsupported, "there is no Vulkan driver (for CPUs, Debian: mesa-vulkan-drivers)");
  check(made, "vkCreateInstance");
  if (!validate) return;
  const auto make = function<PFN_vkCreateDebugUtilsMessengerEXT>(instance_, "vkCreateDebugUtilsMessengerEXT");
  check(make(instance_, &listen, nullptr, &messenger_), "vkCreateDebugUtilsMessengerEXT");
}

void VulkanDevice::choose(const DeviceNeeds& needs, const std::string& wanted) {
  std::uint32_t count = 0;
  check(vkEnumeratePhysicalDevices(instance_, &count, nullptr), "vkEnumeratePhysicalDevices");
  if (count == 0) fail(Reason::unsupported, "there is no Vulkan driver (for CPUs, Debian: mesa-vulkan-drivers)");
  std::vector<VkPhysicalDevice> all(count);
  check(vkEnumeratePhysicalDevices(instance_, &count, all.data()), "vkEnumeratePhysicalDevices");
  std::string why, names;
  for (const VkPhysicalDevice one : all) {
    VkPhysicalDeviceProperties properties = {};
    vkGetPhysicalDeviceProperties(one, &properties);
    const std::string_view called = properties.deviceName;
    names += (names.empty() ? "" : ", ") + std::string(called);
    if (called.find(wanted) == called.npos) continue;
    std::string lacks = lack(one, needs);
    if (!lacks.empty()) lacks = "lacks " + lacks;
    if (wanted.empty() && needs.vendor != 0 && properties.vendorID != needs.vendor && lacks.empty())
      lacks = "is another vendor's, though it has what is needed";
    if (lacks.empty()) {
      physical_ = one;
      properties_ = properties;
      name_ = called;
      vkGetPhysicalDeviceMemoryProperties(one, &memory_);
      return;
    }
    why += (why.empty() ? ": " : "; ") + std::string(called) + " " + lacks;
  }
  if (why.empty())
    fail(Reason::unsupported, "no Vulkan device of this machine is called '", wanted, "': there is ", names);
  fail(Reason::unsupported, "this program is for ", needs.title, ", and this machine has no such device", why);
}

void VulkanDevice::make_device(const DeviceNeeds& needs) {
  VulkanFeatures features(physical_);
  subgroup_sizes_ = features.subgroup_sizes();
  memory_budget_ = features.has_memory_budget();
  std::vector<std::string_view> used = needs.features;
  std::copy_if(needs.wanted.begin(), needs.wanted.end(), std::back_inserter(used),
               [&](std::string_view name) { return features.has(name); });
  features_.assign(used.begin(), used.end());
  features.keep(used, subgroup_sizes_.can_require);
  std::uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(physical_, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(physical_, &count, families.data());
  while (family_ < count && (families[family_].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) ++family_;
  if (family_ == count) fail(Reason::unsupported, name_, " does not compute");
  if (const std::uint32_t bits = families[family_].timestampValidBits; bits > 0) {
    timestamp_ns_ = properties_.limits.timestampPeriod;
    timestamp_mask_ = ~std::uint64_t{0} >> (64 - bits);
  }
  const float priority = 1;
  const VkDeviceQueueCreateInfo queues = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                          .queueFamilyIndex = family_,
                                          .queueCount = 1,
                                          .pQueuePriorities = &priority};
  const VkDeviceCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
      .pNext = &features.all(),
      .queueCreateInfoCount = 1,
      .pQueueCreateInfos = &queues,
      .enabledExtensionCount = static_cast<std::uint32_t>(features.extensions().size()),
      .ppEnabledExtensionNames = features.extensions().data(),
  };
  check(vkCreateDevice(physical_, &info, nullptr, &device_), "vkCreateDevice");
  vkGetDeviceQueue(device_, family_, 0, &queue_);
  const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                        .queueFamilyIndex = family_};
  check(vkCreateCommandPool(device_, &pool, nullptr, &pool_), "vkCreateCommandPool");
  const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  check(vkCreateFence(device_, &fence, nullptr, &fence_), "vkCreateFence");
  VkPhysicalDeviceMaintenance3Properties sizes = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
  VkPhysicalDeviceProperties2 more = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &sizes};
  vkGetPhysicalDeviceProperties2(physical_, &more);
  // Everything above a gigabyte that fits one allocation may still be more than a buffer can be before Vulkan 1.3.
  most_in_place_ = static_cast<std::int64_t>(std::min<VkDeviceSize>(sizes.maxMemoryAllocationSize, kNoLimit));
  most_in_buffer_ = std::min<std::int64_t>(most_in_place_, 1 << 30);
  // Which memory buffers can lie in, asked of one that takes none.
  const VkBufferCreateInfo probe = buffer_info(256);
  VkBuffer buffer = VK_NULL_HANDLE;
  check(vkCreateBuffer(device_, &probe, nullptr, &buffer), "vkCreateBuffer");
  VkMemoryRequirements of_buffers = {};
  vkGetBufferMemoryRequirements(device_, buffer, &of_buffers);
  vkDestroyBuffer(device_, buffer, nullptr);
  buffer_types_ = of_buffers.memoryTypeBits;
}

bool VulkanDevice::has(std::string_view feature) const {
  return std::find(features_.begin(), features_.end(), feature) != features_.end();
}

// --- memory ---

Place VulkanDevice::reserve(Where where, std::int64_t size_bytes, int element_bytes) {
  if (size_bytes > most_in_place_)
    fail(Reason::memory, "this needs ", size_bytes, " bytes in one piece, and ", name_, " gives at most ",
         most_in_place_, ": open with smaller sizes (--max-context, --dim NAME=N)");
  // Bound at any device's alignment, and a whole number of words.
  constexpr std::int64_t kAlignment = 256;
  const std::int64_t size = rounded_up(std::max<std::int64_t>(size_bytes, 1), 4);
  std::size_t b = buffers_.size();
  while (b > 0 && buffers_[b - 1].where != where) --b;
  const bool full = b == 0 || buffers_[b - 1].buffer || buffers_[b - 1].size_bytes + size > most_in_buffer_;
  if (full) {
    buffers_.push_back({where, 0});
    b = buffers_.size();
  }
  Buffer& buffer = buffers_[b - 1];
  const Place place = {static_cast<int>(b - 1), buffer.size_bytes, size, 0, element_bytes};
  buffer.size_bytes = rounded_up(buffer.size_bytes + size, kAlignment);
  return place;
}

/// What each heap has left: what the driver lets this process have, else the heap's size.
std::array<std::int64_t, VK_MAX_MEMORY_HEAPS> VulkanDevice::room() const {
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 memory = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
                                              .pNext = memory_budget_ ? &budget : nullptr};
  vkGetPhysicalDeviceMemoryProperties2(physical_, &memory);
  std::array<std::int64_t, VK_MAX_MEMORY_HEAPS> left = {};
  for (std::uint32_t h = 0; h < memory_.memoryHeapCount; ++h) {
    VkDeviceSize size = memory_.memoryHeaps[h].size;
    if (budget.heapBudget[h] > 0)
      size = std::min(size, budget.heapBudget[h] - std::min(budget.heapBudget[h], budget.heapUsage[h]));
    left[h] = static_cast<std::int64_t>(std::min<VkDeviceSize>(size, kNoLimit));
  }
  return left;
}

/// Heap by heap: on some devices one holds all, on others the host's memory is another one.
void VulkanDevice::check_room(std::int64_t staging_bytes) const {
  constexpr std::string_view kRemedy = "open with smaller sizes (--max-context, --dim NAME=N)";
  std::array<std::int64_t, VK_MAX_MEMORY_HEAPS> wanted = {};
  const auto heap = [&](Where where) { return memory_.memoryTypes[memory_type(where, buffer_types_)].heapIndex; };
  for (const Buffer& b : buffers_) wanted[heap(b.where)] += b.buffer ? 0 : b.size_bytes;
  wanted[heap(Where::host)] += staging_bytes;
  const auto left = room();
  std::int64_t of_device = 0;
  for (std::uint32_t h = 0; h < memory_.memoryHeapCount; ++h) {
    const bool local = (memory_.memoryHeaps[h].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0;
    of_device += local ? wanted[h] : 0;
    if (wanted[h] > left[h])
      fail(Reason::memory, "this needs ", wanted[h], " bytes of ", local ? name_ + "'s" : std::string("the host's"),
           " memory, of which ", left[h], " are left: ", kRemedy);
  }
  if (of_device > memory_limit_bytes_)
    fail(Reason::memory, "this needs ", of_device, " bytes of ", name_, "'s memory, of which it may take ",
         memory_limit_bytes_, " (--memory-limit): allow more, or ", kRemedy);
}

void VulkanDevice::allocate() {
  std::int64_t wanted = 0;
  for (const Buffer& b : buffers_) wanted += b.size_bytes;
  const std::int64_t staging = staging_.buffer ? 0 : std::clamp<std::int64_t>(wanted, 256, kStagingBytes);
  check_room(staging);
  for (Buffer& b : buffers_)
    if (!b.buffer) make_buffer(b);
  if (staging_.buffer) return;
  staging_.size_bytes = staging;
  make_buffer(staging_);
}

std::uint32_t VulkanDevice::memory_type(Where where, std::uint32_t allowed) const {
  const VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  const std::array wishes =
      where == Where::device
          ? std::array<VkMemoryPropertyFlags, 2>{VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0}
          : std::array<VkMemoryPropertyFlags, 2>{visible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, visible};
  for (const VkMemoryPropertyFlags wish : wishes)
    for (std::uint32_t i = 0; i < memory_.memoryTypeCount; ++i)
      if ((allowed >> i & 1) != 0 && (memory_.memoryTypes[i].propertyFlags & wish) == wish) return i;
  fail(Reason::unsupported, name_, " has no memory that the host sees");
}

VkBufferCreateInfo VulkanDevice::buffer_info(std::int64_t size_bytes) const {
  VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                             VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT;
  if (has("bufferDeviceAddress")) usage |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  return {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
          .size = static_cast<VkDeviceSize>(size_bytes),
          .usage = usage,
          .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
}

void VulkanDevice::make_buffer(Buffer& b) {
  const VkBufferCreateInfo info = buffer_info(b.size_bytes);
  check(vkCreateBuffer(device_, &info, nullptr, &b.buffer), "vkCreateBuffer");
  VkMemoryRequirements needs = {};
  vkGetBufferMemoryRequirements(device_, b.buffer, &needs);
  const bool addressed = has("bufferDeviceAddress");
  const VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                           .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
  const VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                         .pNext = addressed ? &flags : nullptr,
                                         .allocationSize = needs.size,
                                         .memoryTypeIndex = memory_type(b.where, needs.memoryTypeBits)};
  check(vkAllocateMemory(device_, &allocate, nullptr, &b.memory), "vkAllocateMemory");
  check(vkBindBufferMemory(device_, b.buffer, b.memory, 0), "vkBindBufferMemory");
  const VkBufferDeviceAddressInfo whole = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, .buffer = b.buffer};
  if (addressed) b.address = vkGetBufferDeviceAddress(device_, &whole);
  if (b.where == Where::device) return;
  void* at = nullptr;
  check(vkMapMemory(device_, b.memory, 0, VK_WHOLE_SIZE, 0, &at), "vkMapMemory");
  b.at = static_cast<std::byte*>(at);
}

std::byte* VulkanDevice::host(const Place& place) const {
  return buffers_[static_cast<std::size_t>(place.buffer)].at + place.offset_bytes + place.start * place.element_bytes;
}

VkDeviceAddress VulkanDevice::address(const Place& place) const {
  return buffers_[static_cast<std::size_t>(place.buffer)].address +
         static_cast<VkDeviceAddress>(place.offset_bytes + place.start * place.element_bytes);
}

void VulkanDevice::upload(std::span<const std::pair<Place, std::span<const std::byte>>> what,
                          const std::function<void(std::int64_t)>& progress) {
  struct Piece {
    VkBuffer to;
    VkBufferCopy region;
  };
  std::vector<Piece> pieces;
  std::int64_t staged = 0, done = 0;
  const auto flush = [&] {
    if (staged == 0) return;
    run_once([&](VkCommandBuffer commands) {
      for (const Piece& p : pieces) vkCmdCopyBuffer(commands, staging_.buffer, p.to, 1, &p.region);
    });
    done += staged;
    if (progress) progress(done);
    pieces.clear();
    staged = 0;
  };
  for (const auto& [place, bytes] : what)
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t room = static_cast<std::size_t>(staging_.size_bytes - staged);
      const std::size_t now = std::min(room, bytes.size() - at);
      std::memcpy(staging_.at + staged, bytes.data() + at, now);
      const auto to = static_cast<VkDeviceSize>(place.offset_bytes + place.start * place.element_bytes);
      pieces.push_back({buffer(place.buffer), {static_cast<VkDeviceSize>(staged), to + at, now}});
      staged += static_cast<std::int64_t>(now);
      at += now;
      if (staged == staging_.size_bytes) flush();
    }
  flush();
}

void VulkanDevice::clear(std::span<const Place> places) {
  if (places.empty()) return;
  run_once([&](VkCommandBuffer commands) {
    for (const Place& p : places)
      vkCmdFillBuffer(commands, buffer(p.buffer), static_cast<VkDeviceSize>(p.offset_bytes),
                      static_cast<VkDeviceSize>(p.size_bytes), 0);
  });
}

void VulkanDevice::read_back(const Place& from, std::span<std::byte> to) {
  for (std::size_t at = 0; at < to.size();) {
    const std::size_t now = std::min(static_cast<std::size_t>(staging_.size_bytes), to.size() - at);
    const VkBufferCopy region = {static_cast<VkDeviceSize>(from.offset_bytes + from.start * from.element_bytes) + at, 0,
                                 now};
    run_once(
        [&](VkCommandBuffer commands) { vkCmdCopyBuffer(commands, buffer(from.buffer), staging_.buffer, 1, &region); });
    std::memcpy(to.data() + at, staging_.at, now);
    at += now;
  }
}

// --- commands ---

void VulkanDevice::submit(VkCommandBuffer commands) {
  const VkSubmitInfo info = {
      .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands};
  check(vkQueueSubmit(queue_, 1, &info, fence_), "vkQueueSubmit");
  check(vkWaitForFences(device_, 1, &fence_, VK_TRUE, UINT64_MAX), "vkWaitForFences");
  check(vkResetFences(device_, 1, &fence_), "vkResetFences");
  throw_on_messages();
}

void VulkanDevice::run_once(const std::function<void(VkCommandBuffer)>& record) {
  const VkCommandBufferAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                .commandPool = pool_,
                                                .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                .commandBufferCount = 1};
  VkCommandBuffer commands = VK_NULL_HANDLE;
  check(vkAllocateCommandBuffers(device_, &allocate, &commands), "vkAllocateCommandBuffers");
  const struct Freed {  // whatever throws
    VkDevice device;
    VkCommandPool pool;
    const VkCommandBuffer& commands;
    ~Freed() { vkFreeCommandBuffers(device, pool, 1, &commands); }
  } freed = {device_, pool_, commands};
  const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                          .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  const VkMemoryBarrier all = {
      .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
      .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT | VK_ACCESS_MEMORY_READ_BIT,
      .dstAccessMask = VK_ACCESS_MEMORY_WRITE_BIT | VK_ACCESS_MEMORY_READ_BIT,
  };
  const auto barrier = [&] {
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT,
                         VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &all, 0, nullptr, 0,
                         nullptr);
  };
  check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
  barrier();
  record(commands);
  barrier();
  check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");
  submit(commands);
}

void VulkanDevice::throw_on_messages() {
  if (messages_.empty()) return;
  std::string all;
  for (const std::string& message : messages_) all += "\n  " + message;
  messages_.clear();
  fail(Reason::device, "the validation layer says", all);
}

}  // namespace MODEL_NAME
