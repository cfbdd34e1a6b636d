// A Vulkan device and its memory: chosen by what the kernels need, reserved as a whole, filled by staged copies.
#pragma once

#include <vulkan/vulkan.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory.h"
#include "vulkan_features.h"

namespace MODEL_NAME {

/// What a device must have to run the kernels.
struct DeviceNeeds {
  std::string_view program;                // what its cache is called
  std::uint64_t shaders = 0;               // of which the cache holds pipelines: other ones' are thrown away
  std::string_view title;                  // of the device that they were made for
  std::uint32_t vendor = 0;                // VkPhysicalDeviceProperties::vendorID; 0: any
  std::uint32_t lanes = 0;                 // of a subgroup; 0: any number
  std::uint32_t workgroup = 0;             // most lanes in one
  std::uint32_t shared_memory_bytes = 0;   // of a workgroup
  std::uint32_t bindings = 0;              // most storage buffers that a kernel is bound to
  std::vector<std::string_view> features;  // "storageBuffer8BitAccess", "subgroupArithmetic"
  std::vector<std::string_view> wanted;    // more of them, switched on where they are there
};

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

struct DeviceOptions {
  std::string name;                            // a part of the device's name; empty: the first of the right vendor
  bool validate = false;                       // with the validation layer, synchronisation too: a message is an Error
  std::int64_t memory_limit_bytes = kNoLimit;  // of the device's memory that may be taken
};

/// Where memory lies: on the device, or on the host where the device reaches it too.
enum class Where { device, host };

/// Memory as a kernel is bound to it.
struct Place {
  int buffer = -1;
  std::int64_t offset_bytes = 0, size_bytes = 0;
  std::int64_t start = 0;  // the element or block that the kernel calls number 0
  int element_bytes = 1;
};
inline Place operator+(Place place, std::int64_t elements) {
  place.start += elements;
  return place;
}

inline std::int64_t rounded_up(std::int64_t size, std::int64_t to) { return (size + to - 1) / to * to; }

/// Throws an Error that names the function, unless it succeeded.
void check(VkResult result, std::string_view function);

class VulkanDevice {
 public:
  /// Errors: no driver; no device that has what is needed, each with what it lacks.
  VulkanDevice(const DeviceNeeds& needs, const DeviceOptions& options);
  ~VulkanDevice();
  VulkanDevice(const VulkanDevice&) = delete;
  VulkanDevice& operator=(const VulkanDevice&) = delete;

  /// Memory that allocate() will take.
  Place reserve(Where where, std::int64_t size_bytes, int element_bytes = 1);
  /// Takes what was reserved. Errors, before anything is taken: the device has less memory left, or the limit is lower.
  void allocate();
  /// Gives back all that was reserved and taken; nobody may use it any more.
  void release();
  /// Waits until it is done. `progress` hears of bytes done.
  void upload(std::span<const std::pair<Place, std::span<const std::byte>>> what,
              const std::function<void(std::int64_t)>& progress = {});
  /// Zeroes. Waits until it is done.
  void clear(std::span<const Place> places);
  void read_back(const Place& from, std::span<std::byte> to);
  /// Host memory of a place that was reserved there.
  std::byte* host(const Place& place) const;
  VkBuffer buffer(int number) const { return buffers_[static_cast<std::size_t>(number)].buffer; }
  /// For kernels that reach it without a binding: of the place's first element.
  VkDeviceAddress address(const Place& place) const;

  /// Runs commands and waits. Errors: a lost device; with validation, what the layer says.
  void submit(VkCommandBuffer commands);
  /// Records with `record`, submits, waits.
  void run_once(const std::function<void(VkCommandBuffer)>& record);
  void throw_on_messages();

  VkPhysicalDevice physical() const { return physical_; }
  VkDevice handle() const { return device_; }
  VkCommandPool commands() const { return pool_; }
  const VkPhysicalDeviceProperties& properties() const { return properties_; }
  const std::string& name() const { return name_; }
  const std::string& program() const { return program_; }
  std::uint64_t shaders() const { return shaders_; }
  const SubgroupSizes& subgroup_sizes() const { return subgroup_sizes_; }
  /// Is the feature switched on?
  bool has(std::string_view feature) const;
  /// Nanoseconds of one tick of a timestamp; 0: the queue has none.
  double timestamp_ns() const { return timestamp_ns_; }
  /// The bits that count: a difference of two timestamps is right modulo these.
  std::uint64_t timestamp_mask() const { return timestamp_mask_; }

 private:
  struct Buffer {
    Where where;
    std::int64_t size_bytes;
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceAddress address = 0;  // where the feature is switched on
    std::byte* at = nullptr;
  };
  void make_instance(bool validate);
  void choose(const DeviceNeeds& needs, const std::string& wanted);
  void make_device(const DeviceNeeds& needs);
  void make_buffer(Buffer& buffer);
  VkBufferCreateInfo buffer_info(std::int64_t size_bytes) const;
  std::uint32_t memory_type(Where where, std::uint32_t allowed) const;
  void check_room(std::int64_t staging_bytes) const;
  std::array<std::int64_t, VK_MAX_MEMORY_HEAPS> room() const;
  void destroy();

  VkInstance instance_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  VkPhysicalDevice physical_ = VK_NULL_HANDLE;
  VkPhysicalDeviceProperties properties_ = {};
  VkPhysicalDeviceMemoryProperties memory_ = {};
  VkDevice device_ = VK_NULL_HANDLE;
  std::uint32_t family_ = 0;
  VkQueue queue_ = VK_NULL_HANDLE;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
  std::string name_, program_;
  std::uint64_t shaders_ = 0;
  std::vector<std::string> features_;  // switched on
  SubgroupSizes subgroup_sizes_ = {};
  bool memory_budget_ = false;      // does the driver say what is left?
  std::uint32_t buffer_types_ = 0;  // memory types that buffers can lie in
  std::int64_t memory_limit_bytes_ = kNoLimit;
  double timestamp_ns_ = 0;
  std::uint64_t timestamp_mask_ = 0;
  std::int64_t most_in_place_ = 0, most_in_buffer_ = 0;
  std::vector<Buffer> buffers_;
  Buffer staging_ = {Where::host, 0};
  std::vector<std::string> messages_;
};

}  // namespace MODEL_NAME
