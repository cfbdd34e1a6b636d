// A Vulkan device and its memory: chosen by what the kernels need, reserved as a whole, filled by staged copies.
#pragma once

#include <vulkan/vulkan.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory.h"

namespace MODEL_NAME {

/// What a device must have to run the kernels.
struct DeviceNeeds {
  std::string_view program;                // what its caches are called
  std::string_view title;                  // of the device that they were made for
  std::uint32_t vendor = 0;                // VkPhysicalDeviceProperties::vendorID; 0: any
  std::uint32_t lanes = 0;                 // of a subgroup
  std::uint32_t workgroup = 0;             // most lanes in one
  std::uint32_t shared_memory_bytes = 0;   // of a workgroup
  std::uint32_t bindings = 0;              // most storage buffers that a kernel is bound to
  std::vector<std::string_view> features;  // "storageBuffer8BitAccess", "subgroupArithmetic"
};

struct DeviceOptions {
  std::string name;       // a part of the device's name; empty: the first of the right vendor
  bool validate = false;  // with the validation layer, synchronisation too: a message is an Error
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
  /// Takes what was reserved. Error, before anything is taken, if the device has less memory.
  void allocate();
  /// Waits until it is done. `progress` hears of bytes done.
  void upload(std::span<const std::pair<Place, std::span<const std::byte>>> what,
              const std::function<void(std::int64_t)>& progress = {});
  /// Zeroes. Waits until it is done.
  void clear(std::span<const Place> places);
  void read_back(const Place& from, std::span<std::byte> to);
  /// Host memory of a place that was reserved there.
  std::byte* host(const Place& place) const;
  VkBuffer buffer(int number) const { return buffers_[static_cast<std::size_t>(number)].buffer; }
  std::int64_t reserved_bytes(Where where) const;

  /// Runs commands and waits. Errors: a lost device; with validation, what the layer says.
  void submit(VkCommandBuffer commands);
  /// Records with `record`, submits, waits.
  void run_once(const std::function<void(VkCommandBuffer)>& record);
  void throw_on_messages();

  VkDevice handle() const { return device_; }
  VkCommandPool commands() const { return pool_; }
  const VkPhysicalDeviceProperties& properties() const { return properties_; }
  const std::string& name() const { return name_; }
  const std::string& program() const { return program_; }
  bool requires_subgroup_size() const { return subgroup_size_control_; }
  /// Nanoseconds of one tick of a timestamp; 0: the queue has none.
  double timestamp_ns() const { return timestamp_ns_; }

 private:
  struct Buffer {
    Where where;
    std::int64_t size_bytes;
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    std::byte* at = nullptr;
  };
  void make_instance(bool validate);
  void choose(const DeviceNeeds& needs, const std::string& wanted);
  void make_device(const DeviceNeeds& needs);
  void make_buffer(Buffer& buffer);
  std::uint32_t memory_type(Where where, std::uint32_t allowed) const;
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
  bool subgroup_size_control_ = false;
  double timestamp_ns_ = 0;
  std::int64_t most_in_buffer_ = 0;
  std::vector<Buffer> buffers_;
  Buffer staging_ = {Where::host, 0};
  std::vector<std::string> messages_;
};

}  // namespace MODEL_NAME
