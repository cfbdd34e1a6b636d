// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/host_vulkan.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "codegen/compile/spirv.h"
#include "codegen/emit/glsl.h"
#include "codegen/emit/host_model.h"
#include "codegen/emit/host_steps.h"
#include "codegen/emit/side_by_side.h"
#include "formats/opnf/reader.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using plan::Role;

// SPIR-V's numbers (the specification's list of capabilities), the feature that Vulkan has for each.
constexpr auto kFeatures =
    std::to_array<std::pair<std::uint32_t, std::string_view>>({{9, "shaderFloat16"},
                                                               {10, "shaderFloat64"},
                                                               {11, "shaderInt64"},
                                                               {22, "shaderInt16"},
                                                               {39, "shaderInt8"},
                                                               {61, "subgroupBasic"},
                                                               {63, "subgroupArithmetic"},
                                                               {64, "subgroupBallot"},
                                                               {4433, "storageBuffer16BitAccess"},
                                                               {4448, "storageBuffer8BitAccess"},
                                                               {5345, "vulkanMemoryModel"},
                                                               {5347, "bufferDeviceAddress"},
                                                               {5357, "cooperativeMatrix"},
                                                               {6016, "shaderIntegerDotProduct"},
                                                               {6017, "shaderIntegerDotProduct"},
                                                               {6018, "shaderIntegerDotProduct"},
                                                               {6019, "shaderIntegerDotProduct"}});
constexpr std::uint32_t kShader = 1;

// PCI's numbers, and Mesa's of the Vulkan registry (VK_VENDOR_ID_MESA).
constexpr auto kVendors = std::to_array<std::pair<std::string_view, std::uint32_t>>(
    {{"NVIDIA", 0x10de}, {"AMD", 0x1002}, {"Intel", 0x8086}, {"Apple", 0x106b}, {"Mesa", 0x10005}});

bool sums_wide_integers(const kir::Kernel& kernel) {
  return std::any_of(kernel.nodes.begin(), kernel.nodes.end(), [](const kir::Node& n) {
    return kir::info(n.op).lane_wide && (n.type.kind == kir::Kind::i64 || n.type.kind == kir::Kind::u64);
  });
}

VulkanShader vulkan_shader(const kir::Kernel& kernel) {
  VulkanShader shader = {.glsl = render_glsl(kernel), .spirv = {}, .access = {}};
  shader.spirv = compile::compile_glsl(kernel.name, shader.glsl);
  for (const kir::Buffer& b : kernel.buffers)
    if (b.space == kir::Space::global) {
      const bool reads_too = b.access == kir::Access::write && glsl_in_words(kernel, b);
      const kir::Access access = reads_too ? kir::Access::read_write : b.access;
      shader.access += (b.by_address ? "RWB" : "rwb")[static_cast<std::size_t>(access)];
    }
  return shader;
}

std::string words(const std::vector<std::uint32_t>& spirv) {
  constexpr std::size_t kInLine = 10;
  std::string text;
  for (std::size_t i = 0; i < spirv.size(); ++i)
    text += fmt::format("{:#010x},{}", spirv[i], (i + 1) % kInLine == 0 || i + 1 == spirv.size() ? "\n" : " ");
  return text;
}

class VulkanModel final : public HostModel {
 public:
  using HostModel::HostModel;

 private:
  std::string_view base_header() const override { return "vulkan_program.h"; }

  void declarations() override {
    const std::string arrays = constant_arrays();
    if (!arrays.empty()) line("namespace constant_values {{\n{}}}  // namespace constant_values\n", arrays);
    needs();
    places("Weights", "The package's tensors on the device; shapes as stored.", Role::weight);
    places("Constants", "Values of the graph.", Role::constant);
    places("State", "What goes on from step to step.", Role::state);
    ceil_div();
    if (plan_.taps.empty()) return;
    line("/// Hands what the kernels wrote to the check, if the model was opened for one.");
    line("Recording::Look look(const Options& options) {{\n  if (!options.check) return {{}};");
    line(
        "  return [check = options.check](int tap, std::span<std::byte> values) {{ check->compare(tap, values); "
        "}};\n}}\n");
  }
  void places(std::string_view type, std::string_view what, Role role) {
    const std::vector<int> all = of_role(role);
    if (all.empty()) return;
    line("/// {}\nstruct {} {{", what, type);
    for (const int b : all)
      line("  Place {}{};  // {}", buffers_.name(b),
           buffers_[b].ranges.empty() ? "" : fmt::format("[{}]", members(buffers_[b])), comment_of(buffers_[b]));
    line("}};\n");
  }
  void needs() {
    const Device& device = source_.device;
    std::uint32_t workgroup = 0;
    for (const plan::Kernel& k : plan_.kernels)
      workgroup = std::max(workgroup, static_cast<std::uint32_t>(k.code.target.lanes * k.code.target.subgroups));
    line("const DeviceNeeds& needs() {{\n  static const DeviceNeeds all = {{");
    line("      .program = \"{}\",", plan_.name);
    line("      .shaders = shaders_checksum,");
    line("      .title = \"{}\",", device.title.empty() ? device.name : device.title);
    line("      .vendor = {:#x},", vulkan_vendor_id(device.vendor));
    line("      .lanes = {},", device.lanes);
    line("      .workgroup = {},", workgroup);
    line("      .shared_memory_bytes = {},", shared_memory_bytes(plan_));
    line("      .bindings = {},", bindings(plan_) + 1);
    line("      .features = description().features,");
    line("  }};\n  return all;\n}}\n");
  }

  /// Blocks or elements; members of several dtypes are never indexed.
  int element_bytes(int b) const {
    return buffers_.type(b) == "void" ? 1 : static_cast<int>(info(buffers_[b].dtype).block_bytes);
  }
  void steps() override {
    const std::vector<int> weights = of_role(Role::weight), constants = of_role(Role::constant),
                           states = of_role(Role::state);
    line("class Steps final : public VulkanProgram {{\n public:");
    line("  Steps(const std::string& package, const Options& options)");
    line("      : VulkanProgram({}::description(), needs(), package, options{}) {{", plan_.name,
         plan_.taps.empty() ? "" : ", look(options)");
    for (std::size_t w = 0; w < weights.size(); ++w)
      line("    place({}, {}, weights.{});", w, element_bytes(weights[w]), buffers_.name(weights[w]));
    for (const int b : constants) line("    constants.{0} = constant(constant_values::{0});", buffers_.name(b));
    for (const int b : states) line("    state.{} = new_state({}, {});", buffers_.name(b), count(b), element_bytes(b));
    line("    ready();\n  }}\n\n private:");
    line("  void steps(std::size_t entry, Recording& r) override {{\n    switch (entry) {{");
    for (std::size_t e = 0; e < plan_.entries.size(); ++e)
      line("      case {}: return {}(r);", e, entry_function(plan_.entries[e]));
    line("    }}\n  }}");
    for (std::size_t e = 0; e < plan_.entries.size(); ++e) add("\n" + vulkan_entry(buffers_, static_cast<int>(e)));
    if (!states.empty() || !weights.empty() || !constants.empty()) add("\n");
    if (!weights.empty()) line("  Weights weights = {{}};");
    if (!constants.empty()) line("  Constants constants = {{}};");
    if (!states.empty()) line("  State state = {{}};");
    line("}};\n");
  }
};

}  // namespace

std::vector<VulkanShader> vulkan_shaders(const plan::Plan& plan) {
  std::vector<VulkanShader> all(plan.kernels.size());
  side_by_side(all.size(), [&](std::size_t k) { all[k] = vulkan_shader(plan.kernels[k].code); });
  return all;
}

std::vector<std::string> vulkan_features(const plan::Plan& plan, const std::vector<VulkanShader>& shaders) {
  std::set<std::string> features;
  for (std::size_t k = 0; k < shaders.size(); ++k) {
    for (const std::uint32_t number : compile::capabilities(shaders[k].spirv)) {
      if (number == kShader) continue;
      const auto* const known = std::find_if(kFeatures.begin(), kFeatures.end(),
                                             [&](const auto& feature) { return feature.first == number; });
      if (known == kFeatures.end())
        fail(ErrorCode::internal, "[emit] {}: no feature is known for the SPIR-V capability {}",
             plan.kernels[k].code.name, number);
      features.emplace(known->second);
    }
    if (sums_wide_integers(plan.kernels[k].code)) features.emplace("shaderSubgroupExtendedTypes");
  }
  return {features.begin(), features.end()};
}

std::uint32_t vulkan_vendor_id(std::string_view vendor) {
  for (const auto& [name, id] : kVendors)
    if (name == vendor) return id;
  return 0;
}

std::string_view vulkan_vendor(std::uint32_t id) {
  for (const auto& [name, number] : kVendors)
    if (number == id) return name;
  return "";
}

std::uint64_t vulkan_checksum(const std::vector<VulkanShader>& shaders) {
  std::string all;
  for (const VulkanShader& shader : shaders)
    all.append(reinterpret_cast<const char*>(shader.spirv.data()), shader.spirv.size() * sizeof(std::uint32_t));
  return opnf::xxh64(all);
}

std::int64_t shared_memory_bytes(const plan::Plan& plan) {
  std::int64_t most = 0;
  for (const plan::Kernel& k : plan.kernels) {
    std::int64_t sum = 0;
    for (const kir::Buffer& b : k.code.buffers)
      if (b.space == kir::Space::shared)
        sum += static_cast<std::int64_t>(b.count) * std::max(4, kir::info(b.kind).bytes);
    const kir::Target& target = k.code.target;
    if (!target.lane_arithmetic || !target.lane_broadcast)  // what lanes hand to each other, of a type or two
      sum += std::int64_t{2} * 8 * target.lanes * target.subgroups;
    most = std::max(most, sum);
  }
  return most;
}

std::int64_t bindings(const plan::Plan& plan) {
  std::int64_t most = 0;
  for (const plan::Kernel& k : plan.kernels)
    most = std::max<std::int64_t>(
        most, std::count_if(k.code.buffers.begin(), k.code.buffers.end(),
                            [](const kir::Buffer& b) { return b.space == kir::Space::global && !b.by_address; }));
  return most;
}

void check_features(const std::vector<std::string>& features, const Device& device) {
  const std::array<std::pair<std::string_view, bool>, 8> has = {
      {{"storageBuffer8BitAccess", device.storage_8bit},
       {"storageBuffer16BitAccess", device.storage_16bit},
       {"shaderInt8", device.int8_arithmetic},
       {"shaderFloat16", device.f16_arithmetic},
       {"subgroupArithmetic", device.has(SubgroupOp::arithmetic)},
       {"subgroupBallot", device.has(SubgroupOp::ballot)},
       {"shaderIntegerDotProduct", device.dot4 != Dot4::none},
       {"bufferDeviceAddress", device.buffer_device_address}}};
  for (const auto& [feature, there] : has)
    if (!there && std::find(features.begin(), features.end(), feature) != features.end())
      fail(ErrorCode::unsupported, "[emit] kernels need {}, which {} lacks", feature, device.name);
}

void check_fits(const plan::Plan& plan, const Device& device) {
  if (!device.subgroup_size_control && device.subgroup_size_min != device.subgroup_size_max)
    fail(ErrorCode::unsupported,
         "[emit] {} chooses between subgroups of {} and of {} lanes by itself, and kernels are built for {}",
         device.name, device.subgroup_size_min, device.subgroup_size_max, device.lanes);
  if (const std::int64_t shared = shared_memory_bytes(plan); shared > device.shared_memory_bytes)
    fail(ErrorCode::unsupported, "[emit] a kernel takes {} bytes of shared memory; a workgroup of {} has {}", shared,
         device.name, device.shared_memory_bytes);
  for (const plan::Buffer& b : plan.buffers) {
    const std::int64_t bytes = b.max_bytes;
    const bool opened_smaller = b.role == Role::state || b.role == Role::input || b.role == Role::output;
    if (!opened_smaller && bytes > device.max_storage_buffer_range_bytes && !device.buffer_device_address)
      fail(ErrorCode::unsupported,
           "[emit] {} has {} bytes; {} binds at most {} as one buffer (maxStorageBufferRange), and its kernels have no "
           "addresses of larger ones (bufferDeviceAddress)",
           b.name, bytes, device.name, device.max_storage_buffer_range_bytes);
    if (!opened_smaller && bytes / info(b.dtype).block_bytes > std::numeric_limits<std::int32_t>::max())
      fail(ErrorCode::unsupported, "[emit] {} has {} bytes, more elements than kernels count (2^31)", b.name, bytes);
  }
}

std::map<std::string, std::string> vulkan_device_files(const plan::Plan& plan,
                                                       const std::vector<VulkanShader>& shaders) {
  std::map<std::string, std::string> files;
  std::string declarations, codes, definitions;
  for (std::size_t k = 0; k < shaders.size(); ++k) {
    const kir::Kernel& code = plan.kernels[k].code;
    files[code.name + ".comp"] = shaders[k].glsl;
    files[code.name + ".spv.inc"] =
        fmt::format("// SPIR-V of {}.comp, by {}.\n{}", code.name, compile::spirv_tools(), words(shaders[k].spirv));
    declarations += fmt::format("extern const Shader {};\n", code.name);
    codes += fmt::format("constexpr std::uint32_t {0}_code[] = {{\n#include \"{0}.spv.inc\"\n}};\n", code.name);
    definitions += fmt::format("const Shader {0} = {{\"{0}\", {0}_code, {1}, {2}, \"{3}\"}};\n", code.name,
                               code.target.lanes, code.target.subgroups, shaders[k].access);
  }
  files["kernels.h"] = fmt::format(
      "// The kernels of this model: shaders, compiled from the .comp files beside this one.\n#pragma once\n\n"
      "#include \"../host/vulkan_recording.h\"\n\nnamespace {0}::kernels {{\n\n{1}\n}}  // namespace {0}::kernels\n\n"
      "namespace {0} {{\n/// Of their SPIR-V: pipelines that a driver made of other shaders are no use.\n"
      "extern const std::uint64_t shaders_checksum;\n}}  // namespace {0}\n",
      plan.name, declarations);
  files["kernels.cpp"] = fmt::format(
      "#include \"kernels.h\"\n\nnamespace {0}::kernels {{\nnamespace {{\n\n{1}\n}}  // namespace\n\n"
      "// Name, code, lanes of a subgroup, subgroups of a workgroup, what becomes of each buffer.\n{2}\n"
      "}}  // namespace {0}::kernels\n\nconst std::uint64_t {0}::shaders_checksum = {3:#018x};\n",
      plan.name, codes, definitions, vulkan_checksum(shaders));
  return files;
}

std::string vulkan_model(const HostSource& source) { return VulkanModel(source).run(); }

}  // namespace openinfer::emit
