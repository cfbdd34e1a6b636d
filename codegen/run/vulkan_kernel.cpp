// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/vulkan_kernel.h"

#include "lib/base/fail.h"

#ifdef OPENINFER_VULKAN
#include <cstring>
#include <map>
#include <optional>
#include <tuple>

#include "codegen/emit/host_vulkan.h"
#include "codegen/run/vulkan_host.h"
#endif

namespace openinfer::run {

#ifdef OPENINFER_VULKAN
namespace {

/// All that emitted shaders may use: which of it they do is not known when the device is made.
host::DeviceNeeds needs() {
  host::DeviceNeeds needs;
  needs.program = "openinfer-kernels";
  needs.title = "devices with Vulkan 1.2";
  needs.wanted = {"storageBuffer8BitAccess",
                  "storageBuffer16BitAccess",
                  "shaderInt8",
                  "shaderInt16",
                  "shaderInt64",
                  "shaderFloat16",
                  "shaderFloat64",
                  "shaderSubgroupExtendedTypes",
                  "shaderIntegerDotProduct",
                  "bufferDeviceAddress"};
  return needs;
}

/// Properties of a device beyond those that every version of Vulkan has.
template <class Properties>
Properties properties_of(VkPhysicalDevice device, VkStructureType type) {
  Properties own = {};
  own.sType = type;
  VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &own};
  vkGetPhysicalDeviceProperties2(device, &all);
  return own;
}

/// Its version, where it is the driver whose versions the rows of that vendor name; else "".
std::string driver_of(VkPhysicalDevice device, std::string_view vendor) {
  const auto driver =
      properties_of<VkPhysicalDeviceDriverProperties>(device, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES);
  const std::string info = driver.driverInfo;
  bool named = info.starts_with("Mesa");
  if (vendor == "NVIDIA") named = driver.driverID == VK_DRIVER_ID_NVIDIA_PROPRIETARY;
  if (vendor == "Apple") named = driver.driverID == VK_DRIVER_ID_MOLTENVK;
  return named && info.find_first_of("0123456789") != info.npos ? info : "";
}

std::vector<SubgroupOp> subgroup_ops_of(VkPhysicalDevice device) {
  const auto subgroup =
      properties_of<VkPhysicalDeviceSubgroupProperties>(device, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
  using enum SubgroupOp;  // in the order of Vulkan's bits
  std::vector<SubgroupOp> ops;
  for (const SubgroupOp op : {basic, vote, arithmetic, ballot, shuffle, shuffle_relative, clustered, quad})
    if ((subgroup.supportedOperations >> static_cast<int>(op) & 1u) != 0) ops.push_back(op);
  return ops;
}

bool preserves_denormals(VkPhysicalDevice device) {
  return properties_of<VkPhysicalDeviceFloatControlsProperties>(
             device, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES)
             .shaderDenormPreserveFloat32 == VK_TRUE;
}

}  // namespace

struct VulkanDevice::State {
  explicit State(const VulkanOptions& options) : device(needs(), {options.device, options.validate}) {}
  void run(const VulkanDispatch& d);
  const host::Shader& shader_of(const VulkanDispatch& d);

  host::VulkanDevice device;
  /// Name, code, lanes, subgroups, access: what a shader's parts lie in.
  using Code = std::tuple<std::string, std::vector<std::uint32_t>, int, int, std::string>;
  std::map<Code, host::Shader> shaders;
  std::optional<host::Pipelines> pipelines;  // the driver compiles each shader once
};

const host::Shader& VulkanDevice::State::shader_of(const VulkanDispatch& d) {
  std::string access = d.access;
  access.resize(d.buffers.size(), 'b');
  const auto [at, added] = shaders.try_emplace({d.name, d.spirv, d.lanes, d.subgroups, access});
  const auto& [name, spirv, lanes, subgroups, accesses] = at->first;
  if (added)
    at->second = {name, spirv, static_cast<std::uint32_t>(lanes), static_cast<std::uint32_t>(subgroups), accesses};
  return at->second;
}

void VulkanDevice::State::run(const VulkanDispatch& d) try {
  struct Released {  // however it ends
    host::VulkanDevice& device;
    ~Released() { device.release(); }
  } released{device};
  if (!pipelines) pipelines.emplace(device);
  const host::Shader& shader = shader_of(d);
  std::vector<host::Place> places;
  for (std::size_t i = 0; i < d.buffers.size(); ++i) {
    places.push_back(device.reserve(host::Where::host, std::ssize(d.buffers[i])));
    if (i < d.starts.size()) places.back().start = d.starts[i];
    if (i < d.element_bytes.size()) places.back().element_bytes = d.element_bytes[i];
  }
  const std::vector<std::int64_t> numbers(d.params.begin(), d.params.end());
  const auto steps = [&](host::Recording& r) { r.dispatch(shader, d.groups, places, numbers); };
  host::Recording recording(device, *pipelines, false, false);
  recording.measure(steps);
  device.allocate();
  const auto memory = [&](std::size_t i) {
    host::Place whole = places[i];
    whole.start = 0;
    return device.host(whole);
  };
  for (std::size_t i = 0; i < d.buffers.size(); ++i)
    if (!d.buffers[i].empty()) std::memcpy(memory(i), d.buffers[i].data(), d.buffers[i].size());
  recording.record(steps);
  recording.run();
  for (std::size_t i = 0; i < d.buffers.size(); ++i)
    if (!d.buffers[i].empty()) std::memcpy(d.buffers[i].data(), memory(i), d.buffers[i].size());
} catch (...) {
  pipelines.reset();  // one may be half made
  shaders.clear();
  throw;
}

bool has_vulkan() { return true; }

VulkanDevice::VulkanDevice(const VulkanOptions& options)
    : state_(translated([&] { return std::make_unique<State>(options); })) {}
VulkanDevice::~VulkanDevice() = default;

const std::string& VulkanDevice::name() const { return state_->device.name(); }
int VulkanDevice::subgroup_size_min() const { return static_cast<int>(state_->device.subgroup_sizes().min); }
int VulkanDevice::subgroup_size_max() const { return static_cast<int>(state_->device.subgroup_sizes().max); }

FoundGpu VulkanDevice::found() const {
  host::VulkanFeatures features(state_->device.physical());
  return found_gpu(describe(), features.has("cooperativeMatrix"));
}

Device VulkanDevice::describe() const {
  const host::VulkanDevice& device = state_->device;
  const VkPhysicalDeviceLimits& limits = device.properties().limits;
  host::VulkanFeatures features(device.physical());
  Device d;
  d.name = "this-gpu";
  d.title = device.name();
  d.vendor = emit::vulkan_vendor(device.properties().vendorID);
  d.driver = driver_of(device.physical(), d.vendor);
  d.device_class = DeviceClass::gpu;
  d.apis = {Api::vulkan};
  d.api = Api::vulkan;
  d.lanes = static_cast<int>(device.subgroup_sizes().usual);
  d.subgroup_size_min = subgroup_size_min();
  d.subgroup_size_max = subgroup_size_max();
  d.subgroup_size_control = device.subgroup_sizes().can_require;
  d.subgroups = 4;  // as the rows of GPUs have it
  d.subgroup_ops = subgroup_ops_of(device.physical());
  d.max_workgroup_size = static_cast<int>(limits.maxComputeWorkGroupInvocations);
  d.shared_memory_bytes = limits.maxComputeSharedMemorySize;
  d.max_storage_buffer_range_bytes = limits.maxStorageBufferRange;
  d.push_constant_bytes = limits.maxPushConstantsSize;
  d.buffer_device_address = features.has("bufferDeviceAddress");
  d.storage_8bit = features.has("storageBuffer8BitAccess"), d.storage_16bit = features.has("storageBuffer16BitAccess");
  d.int8_arithmetic = features.has("shaderInt8"), d.f16_arithmetic = features.has("shaderFloat16");
  d.dot4 = features.has("shaderIntegerDotProduct") ? Dot4::ss : Dot4::none;
  d.denormals_preserved = preserves_denormals(device.physical());
  return d;
}

void VulkanDevice::run(const VulkanDispatch& d) try {
  if (d.lanes < subgroup_size_min() || d.lanes > subgroup_size_max())
    fail(ErrorCode::unsupported, "[vulkan] {}: built for subgroups of {} lanes, {} has {} to {}", d.name, d.lanes,
         name(), subgroup_size_min(), subgroup_size_max());
  state_->run(d);
} catch (const host::Error& e) {
  fail(error_code(e.reason()), "[vulkan] {}: {}", d.name, e.what());
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
FoundGpu VulkanDevice::found() const { return {}; }
void VulkanDevice::run(const VulkanDispatch&) {}

#endif

}  // namespace openinfer::run
