#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "vulkan_recording.h"

namespace MODEL_NAME {
namespace {

/// In front of what the driver gave: a file that is cut or hurt must not reach it.
struct FileHead {
  char magic[8] = {'v', 'k', 'c', 'a', 'c', 'h', 'e', '2'};
  std::uint64_t size_bytes = 0, checksum = 0;  // of what follows; FNV-1a
  std::uint64_t shaders = 0;                   // DeviceNeeds::shaders
  std::uint8_t driver[VK_UUID_SIZE] = {};      // pipelineCacheUUID
};

std::uint64_t checksum(std::span<const char> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
  return hash;
}

/// $XDG_CACHE_HOME/openinfer or ~/.cache/openinfer; empty without a home.
std::string cache_folder() {
  std::string base;
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg == '/') base = xdg;
  if (const char* home = std::getenv("HOME"); base.empty() && home && *home == '/')
    base = std::string(home) + "/.cache";
  return base.empty() ? "" : base + "/openinfer";
}

/// One file for each program and device: what other shaders or another driver left in it is replaced.
std::string cache_file(const VulkanDevice& device) {
  const std::string folder = cache_folder();
  const VkPhysicalDeviceProperties& properties = device.properties();
  char on[32];
  std::snprintf(on, sizeof on, "-%04x-%04x", properties.vendorID, properties.deviceID);
  return folder.empty() ? "" : folder + "/" + device.program() + on + ".vkcache";
}

/// Of what this device would keep now.
FileHead head_of(const VulkanDevice& device, std::span<const char> bytes) {
  FileHead head;
  head.size_bytes = bytes.size();
  head.checksum = checksum(bytes);
  head.shaders = device.shaders();
  std::memcpy(head.driver, device.properties().pipelineCacheUUID, sizeof head.driver);
  return head;
}

std::vector<char> read_cache(const VulkanDevice& device) {
  const std::string path = cache_file(device);
  std::ifstream in(path, std::ios::binary);
  ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // who makes room there removes what was used longest ago
  FileHead head;
  if (!in.read(reinterpret_cast<char*>(&head), sizeof head)) return {};
  const std::vector<char> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const FileHead wanted = head_of(device, bytes);
  return std::memcmp(&head, &wanted, sizeof head) == 0 ? bytes : std::vector<char>();
}

}  // namespace

Pipelines::Pipelines(VulkanDevice& device) : device_(device) {
  const std::vector<char> kept = read_cache(device);
  loaded_bytes_ = kept.size();
  const VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                          .initialDataSize = kept.size(),
                                          .pInitialData = kept.data()};
  check(vkCreatePipelineCache(device.handle(), &info, nullptr, &cache_), "vkCreatePipelineCache");
}

Pipelines::~Pipelines() {
  for (const auto& [shader, p] : all_) {
    vkDestroyPipeline(device_.handle(), p.pipeline, nullptr);
    vkDestroyPipelineLayout(device_.handle(), p.layout, nullptr);
    vkDestroyDescriptorSetLayout(device_.handle(), p.set, nullptr);
  }
  vkDestroyPipelineCache(device_.handle(), cache_, nullptr);
}

void Pipelines::keep() const {
  std::size_t size = 0;
  const std::string path = cache_file(device_);
  if (path.empty() || vkGetPipelineCacheData(device_.handle(), cache_, &size, nullptr) != VK_SUCCESS) return;
  if (size == loaded_bytes_) return;  // nothing new
  std::vector<char> bytes(size);
  if (vkGetPipelineCacheData(device_.handle(), cache_, &size, bytes.data()) != VK_SUCCESS) return;
  bytes.resize(size);
  const FileHead head = head_of(device_, bytes);
  const std::string folder = cache_folder(), part = path + "." + std::to_string(::getpid());
  ::mkdir(folder.substr(0, folder.rfind('/')).c_str(), 0700);
  ::mkdir(folder.c_str(), 0700);
  std::ofstream out(part, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&head), sizeof head);
  out.write(bytes.data(), static_cast<std::streamsize>(size));
  out.close();
  // Whole or not at all: another process may read or write it at this moment.
  if (!out || std::rename(part.c_str(), path.c_str()) != 0) std::remove(part.c_str());
}

const Pipelines::Pipeline& Pipelines::get(const Shader& shader) {
  const auto [at, added] = all_.try_emplace(&shader);
  if (added) make(shader, at->second);
  return at->second;
}

void Pipelines::make(const Shader& shader, Pipeline& p) {
  const VkDevice device = device_.handle();
  std::vector<VkDescriptorSetLayoutBinding> bindings;
  const auto bound = std::count_if(shader.access.begin(), shader.access.end(), [](char a) { return !is_addressed(a); });
  for (std::uint32_t i = 0; i <= static_cast<std::uint32_t>(bound); ++i)  // the last one: numbers
    bindings.push_back({.binding = i,
                        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                        .descriptorCount = 1,
                        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT});
  const VkDescriptorSetLayoutCreateInfo set = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                               .bindingCount = static_cast<std::uint32_t>(bindings.size()),
                                               .pBindings = bindings.data()};
  check(vkCreateDescriptorSetLayout(device, &set, nullptr, &p.set), "vkCreateDescriptorSetLayout");
  const VkPushConstantRange starts = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = pushed_bytes(shader)};
  const VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                             .setLayoutCount = 1,
                                             .pSetLayouts = &p.set,
                                             .pushConstantRangeCount = shader.access.empty() ? 0u : 1u,
                                             .pPushConstantRanges = &starts};
  check(vkCreatePipelineLayout(device, &layout, nullptr, &p.layout), "vkCreatePipelineLayout");
  const VkShaderModuleCreateInfo code = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                         .codeSize = shader.spirv.size_bytes(),
                                         .pCode = shader.spirv.data()};
  VkShaderModule module = VK_NULL_HANDLE;
  check(vkCreateShaderModule(device, &code, nullptr, &module), "vkCreateShaderModule");
  const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required = {
      .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
      .requiredSubgroupSize = shader.lanes};
  const bool require = device_.subgroup_sizes().can_require;
  const VkPipelineShaderStageCreateFlags full =
      require
          ? static_cast<VkPipelineShaderStageCreateFlags>(VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT)
          : 0;
  const VkComputePipelineCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
                                            .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                      .pNext = require ? &required : nullptr,
                                                      .flags = full,
                                                      .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                                                      .module = module,
                                                      .pName = "main"},
                                            .layout = p.layout};
  const VkResult made = vkCreateComputePipelines(device, cache_, 1, &info, nullptr, &p.pipeline);
  vkDestroyShaderModule(device, module, nullptr);
  check(made, std::string("compiling ") + std::string(shader.name));
}

}  // namespace MODEL_NAME
