// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/project.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include "codegen/emit/c_names.h"
#include "codegen/emit/cpp.h"
#include "codegen/emit/cpp_text.h"
#include "codegen/emit/cpp_tiles.h"
#include "codegen/emit/cuda_project.h"
#include "codegen/emit/fixed_files.h"
#include "codegen/emit/host_cpp.h"
#include "codegen/emit/host_model.h"
#include "codegen/emit/host_vulkan.h"
#include "codegen/emit/quote.h"
#include "codegen/plan/print.h"
#include "codegen/plan/tail.h"
#include "formats/opnf/reader.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

/// Marks in the text become values: of two that stand there the first. What a value holds is no mark.
std::string filled(std::string text, const std::vector<std::pair<std::string, std::string>>& values) {
  for (std::size_t at = 0; (at = text.find("MODEL_", at)) != text.npos;) {
    const std::string_view rest = std::string_view(text).substr(at);
    const auto there =
        std::find_if(values.begin(), values.end(), [&](const auto& v) { return rest.starts_with(v.first); });
    if (there == values.end()) fail(ErrorCode::internal, "[emit] no value for {}", rest.substr(0, rest.find('\n')));
    text.replace(at, there->first.size(), there->second);
    at += there->second.size();
  }
  return text;
}

std::string types(const plan::Plan& plan, plan::Role role, const std::vector<std::string>& names) {
  std::vector<std::string> all;
  for (const std::string& name : names)
    for (const plan::Buffer& b : plan.buffers)
      if (b.role == role && b.key == name)
        all.push_back(fmt::format("{}: {}", name, TensorType{b.dtype, b.shape}.to_string()));
  return fmt::format("({})", fmt::join(all, ", "));
}

std::string entries(const plan::Plan& plan) {
  std::vector<std::string> all;
  for (const plan::EntryPoint& e : plan.entries) {
    std::vector<std::string> symbols;
    for (const plan::Symbol& s : e.symbols)
      symbols.push_back(s.min == s.max ? fmt::format("{} = {}", s.name, s.min)
                                       : fmt::format("{} from {} to {}", s.name, s.min, s.max));
    all.push_back(symbols.empty() ? e.name : fmt::format("{} ({})", e.name, fmt::join(symbols, ", ")));
  }
  return fmt::format("{}", fmt::join(all, "; "));
}

/// How the emitted command runs this graph.
std::string command(const plan::Plan& plan, const std::string& package) {
  const auto has = [](const std::vector<std::string>& names, const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (has(plan.inputs, "tok") && has(plan.inputs, "rows") && has(plan.outputs, "logits"))
    return fmt::format("b/model {} --prompt-ids 1,2,3 --generate 32 --text", package);
  std::string text = "b/model " + package;
  for (const std::string& i : plan.inputs) text += fmt::format(" --input {0}={0}.npy", i);
  for (const std::string& o : plan.outputs) text += fmt::format(" --output {0}={0}.npy", o);
  return text;
}

/// What is only in projects with a memory budget.
std::vector<std::pair<std::string, std::string>> stream_values(const plan::Plan& plan) {
  const plan::MemoryBudget& b = plan.budget;
  if (b.bytes == 0) return {{"MODEL_STREAM_SOURCES", ""}};
  return {
      {"MODEL_STREAM_SOURCES", " host/streamed_program.cpp host/weight_stream.cpp"},
      {"MODEL_WEIGHTS", "which is read as the steps go through it, and never mapped"},
      {"MODEL_MEMORY_README",
       fmt::format("\nMemory: weights, values and states take {} bytes at most, of the {} that were allowed. Weights "
                   "pass through {} buffers of {} bytes:\nwhile one is computed with, the others are read "
                   "(`host/weight_stream.h`), past the page cache where the file system can. `plan.txt`\nsays which "
                   "weights are resident, which are streamed and in which tiles. Weights that plan.txt has in panel16 "
                   "are laid out as they\nare read if the package has them in rows: `openinfer pack --layout panel16` "
                   "makes one that needs none of that.\n",
                   b.total(), b.bytes, b.buffers, b.buffer_bytes)}};
}

std::string file_name(const Model& model) { return std::filesystem::path(model.path()).filename().string(); }

/// What is only in projects with check data.
std::vector<std::pair<std::string, std::string>> check_values(const plan::Plan& plan, const Model& model,
                                                              const Device& device) {
  const bool checks = !plan.taps.empty();
  const auto if_checked = [&](std::string_view text) { return std::string(checks ? text : ""); };
  return {
      {"MODEL_CHECK_SOURCE", if_checked(" host/check.cpp")},
      {"MODEL_CHECK_DEFINITION",
       if_checked("\n# Where --check finds what was recorded.\nset_source_files_properties(host/check.cpp PROPERTIES "
                  "SKIP_UNITY_BUILD_INCLUSION ON\n                            COMPILE_DEFINITIONS "
                  "CHECK_DATA=\"${CMAKE_CURRENT_SOURCE_DIR}/check/data.oinf\")")},
      {"MODEL_CHECK_USAGE", if_checked("    \"       model PACKAGE --check [--check-data F.oinf]\\n\"\n")},
      {"MODEL_CHECK_README",
       if_checked(
           fmt::format("\n```\nb/model {} --check\n```\nreplays steps that were recorded in the simulator, compares "
                       "every value that a kernel writes\nwith the simulator's (a line for each node: the largest "
                       "error and its bound), and names the first node that is out of bounds by its\nline in the "
                       "graph's source and its kernel. What was recorded is in `check/data.oinf`.\n",
                       shell_word(file_name(model))))},
      {"MODEL_EMISSION", emission(plan, model, device)}};
}

/// What a compiler for that CPU calls the machine, as an expression of CMake.
std::string machine_of(const Device& device) {
  const bool arm = !device.compiler_flags.empty() && device.compiler_flags.front().starts_with("-march=arm");
  return arm ? "aarch64|arm64" : "x86_64|amd64";
}

std::vector<std::pair<std::string, std::string>> values(const plan::Plan& plan, const Model& model,
                                                        const Device& device) {
  const bool cpu = device.api == Api::cpu;
  std::string kernels = cpu ? "" : "    device/kernels.cpp\n";
  for (const plan::Kernel& k : plan.kernels)
    if (cpu) kernels += fmt::format("    device/{}.cpp\n", k.code.name);
  const std::string file = file_name(model);
  const std::string interface =
      types(plan, plan::Role::input, plan.inputs) + " -> " + types(plan, plan::Role::output, plan.outputs);
  if (!kernels.empty()) kernels.pop_back();
  const std::string title = device.title.empty() ? device.name : device.title;
  return {
      {"MODEL_DEVICE_TITLE", title},
      {"MODEL_DEVICE_FEATURES", cpu ? fmt::format("{}; {} lanes", fmt::join(device.isa, " "), device.lanes)
                                    : fmt::format("Vulkan 1.2; subgroups of {} lanes", device.lanes)},
      {"MODEL_API", std::string(name(device.api))},
      {"MODEL_SUFFIX", cpu ? "cpp" : "comp"},
      {"MODEL_NEEDS", cpu ? "nothing else"
                          : "Vulkan's headers and loader (Debian: libvulkan-dev); a .comp file that was changed is "
                            "compiled by glslangValidator, if that is there, else the build says that it is not"},
      {"MODEL_WEIGHTS",
       cpu ? "which is mapped; what lies there as the kernels read it is used in place, the rest laid out as it is read"
           : "which is mapped and uploaded when it is opened"},
      {"MODEL_DEVICE", device.name},
      {"MODEL_PACKAGE_NAME", markdown_name(file)},
      {"MODEL_PACKAGE_STRING", cpp_string(file)},
      {"MODEL_PACKAGE_WORD", shell_word(file)},
      {"MODEL_INTERFACE", interface},
      {"MODEL_ENTRIES", entries(plan)},
      {"MODEL_ENTRY", plan.entries.front().name},
      {"MODEL_COMMAND", command(plan, shell_word(file))},
      {"MODEL_KERNELS", kernels},
      {"MODEL_RUN_FLAGS", cpu ? "[--threads N]" : "[--gpu NAME] [--memory-limit SIZE] [--validate] [--timings]"},
      {"MODEL_MEMORY_README",
       cpu ? ""
           : "\nThe device's memory is taken when the model is opened: weights, states, a step's values. What is "
             "needed is "
             "compared with what the\ndevice has left before any of it is taken. `--memory-limit 2GiB` "
             "(`Options::memory_limit_bytes`) allows less than that, so that other\nprograms have room.\n"},
      {"MODEL_FLAGS", fmt::format("{} {}", fmt::join(kCppFlags, " "), fmt::join(device.compiler_flags, " "))},
      {"MODEL_MACHINE", machine_of(device)},
      {"MODEL_NAME", plan.name}};
}

/// The prelude and the kernels of one model share a namespace that no other model has.
std::string in_namespace(const std::string& text, const std::string& name) {
  return replaced(replaced(text, "namespace kernel {", fmt::format("namespace {}::kernel {{", name)),
                  "}  // namespace kernel", fmt::format("}}  // namespace {}::kernel", name));
}

std::string kernel_file(kir::Kernel kernel, const std::string& name) {
  std::string provenance;
  for (const std::string& line : std::exchange(kernel.provenance, {})) provenance += "// " + line + "\n";
  return provenance +
         fmt::format("#include \"kernel.h\"\n\nnamespace {0}::kernel {{\n\n{1}\n}}  // namespace {0}::kernel\n", name,
                     render_cpp(kernel, CppLinkage::cpp));
}

/// The plan, and below its name the package that it is for.
std::string plan_text(const HostSource& source) {
  std::string text = to_text(source.plan);
  const std::string package = cpp_string(file_name(source.model));  // one line
  return text.insert(text.find('\n') + 1, fmt::format("package {}: weights {:#018x}, metadata {:#018x}\n", package,
                                                      source.contents.weights, source.contents.metadata));
}

bool is_identifier(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string cubin_row(const Device& device, const compile::Nvrtc& nvrtc) {
  return fmt::format("| `device/*.cubin` | the same, compiled by NVRTC {} for {} |\n", nvrtc.version(),
                     fmt::join(device.cuda_archs, ", "));
}

/// Words of C++, names of the C library, files of any project's host/, what a program's files and CMake call things.
bool is_taken(const std::string& name) {
  constexpr auto kTaken = std::to_array<std::string_view>({"all", "clean", "depend", "edit_cache", "help", "install",
                                                           "kernels", "opnf", "package", "rebuild_cache", "test"});
  if (std::find(kTaken.begin(), kTaken.end(), name) != kTaken.end()) return true;
  if (std::find(kCppReserved.begin(), kCppReserved.end(), name) != kCppReserved.end()) return true;
  if (std::binary_search(kCNames.begin(), kCNames.end(), name)) return true;
  for (const auto& files : {common_files(), reader_files(), check_files(), cpu_files(), stream_files(), vulkan_files()})
    for (const Fixed& f : files)
      if (f.path.starts_with("host/") && std::filesystem::path(f.path).stem() == name) return true;
  return false;
}

/// Errors: invalid_argument for a plan that cannot give its name to a namespace, a header and a target.
void check_name(const plan::Plan& plan) {
  constexpr std::size_t kLongest = 200;  // its header is a file
  if (plan.name.size() > kLongest)
    fail(ErrorCode::invalid_argument, "[emit] a name (--name) of {} letters: a project's has {} at most",
         plan.name.size(), kLongest);
  if (!is_identifier(plan.name) || is_taken(plan.name))
    fail(ErrorCode::invalid_argument,
         "[emit] '{}' cannot name a C++ namespace and a target beside `model`: give a name (--name) of letters, digits "
         "and _ "
         "that is no word of C++ or CMake, no name of the C library and no file of host/",
         plan.name);
}

}  // namespace

std::string name_for(const Model& model) {
  const std::string stem = std::filesystem::path(model.path()).stem().string();
  const std::string name = plan::identifier(stem.empty() ? "emitted" : stem);
  return is_taken(name) ? "emitted_" + name : name;
}

std::string emission(const plan::Plan& plan, const Model& model, const Device& device) {
  return fmt::format("{:016x}",
                     opnf::xxh64(fmt::format("{:x} {}\n{}", model.fingerprint(), device.name, to_text(plan))));
}

Files project_files(const plan::Plan& plan, const Model& model, const Device& device, const plan::GraphFacts& facts,
                    const std::string& check_data, const compile::Nvrtc* nvrtc) {
  check_name(plan);
  Files files;
  auto filled_in = check_values(plan, model, device);
  for (auto& value : stream_values(plan)) filled_in.push_back(std::move(value));
  for (auto& value : values(plan, model, device)) filled_in.push_back(std::move(value));
  const auto add = [&](const std::vector<Fixed>& fixed) {
    for (const Fixed& f : fixed) files[std::string(f.path)] = filled(std::string(f.text), filled_in);
  };
  HostSource source = {plan, model, device, facts, package_contents(plan, model)};
  files["plan.txt"] = plan_text(source);
  if (device.api == Api::cuda) {
    if (!plan.taps.empty())
      fail(ErrorCode::unsupported, "[emit] {}: check data need a host program, and there is none for CUDA yet",
           device.name);
    CudaDevice kernels = cuda_device(plan, device, nvrtc);
    for (auto& [file, text] : kernels.files) files["device/" + file] = std::move(text);
    files["plan.txt"] += kernels.plan;
    filled_in.insert(filled_in.begin(), {{"MODEL_CUBIN_ROW", nvrtc ? cubin_row(device, *nvrtc) : ""},
                                         {"MODEL_FLAGS", std::string(compile::kCudaFlags)}});
    add(cuda_files());
    return files;
  }
  add(common_files());
  for (const Fixed& f : reader_files()) files[std::string(f.path)] = f.text;
  if (!plan.taps.empty()) {
    add(check_files());
    files["check/data.oinf"] = check_data;
  }
  files[fmt::format("host/{}.h", plan.name)] = fmt::format(
      "// model.h of {} by a name that no other model's has: with #pragma once, GCC takes files that are equal "
      "for one.\n#pragma once\n#include \"model.h\"\n",
      plan.name);
  if (device.api == Api::cpu) {
    add(cpu_files());
    if (plan.budget.bytes != 0) add(stream_files());
    source.features = device.isa;
    const auto tiles = [](const plan::Kernel& k) { return has_tiles(k.code); };
    if (std::any_of(plan.kernels.begin(), plan.kernels.end(), tiles)) source.features.emplace_back("amx-permission");
    files["device/kernel.h"] = in_namespace(cpp_prelude(device.lanes), plan.name);
    files["device/kernels.h"] = kernels_h(plan);
    for (const plan::Kernel& k : plan.kernels)
      files[fmt::format("device/{}.cpp", k.code.name)] = kernel_file(k.code, plan.name);
    files["host/model.cpp"] = cpu_model(source);
    return files;
  }
  add(vulkan_files());
  check_fits(plan, device);
  const std::vector<VulkanShader> shaders = vulkan_shaders(plan);
  source.features = vulkan_features(plan, shaders);
  check_features(source.features, device);
  for (auto& [file, text] : vulkan_device_files(plan, shaders)) files["device/" + file] = std::move(text);
  files["host/model.cpp"] = vulkan_model(source);
  return files;
}

void emit_project(const plan::Plan& plan, const Model& model, const Device& device, const std::filesystem::path& folder,
                  const plan::GraphFacts& facts, const std::string& check_data, const compile::Nvrtc* nvrtc) {
  write_project(project_files(plan, model, device, facts, check_data, nvrtc), folder);
}

}  // namespace openinfer::emit
