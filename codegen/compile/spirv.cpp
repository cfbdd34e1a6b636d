// SPDX-License-Identifier: Apache-2.0
#include "codegen/compile/spirv.h"

#include <fmt/format.h>

#include "lib/base/fail.h"

#ifdef OPENINFER_SPIRV
#include <glslang/Public/ResourceLimits.h>
#include <glslang/Public/ShaderLang.h>
#include <glslang/SPIRV/GlslangToSpv.h>
#include <charconv>
#include <spirv-tools/libspirv.hpp>
#include <spirv-tools/optimizer.hpp>
#endif

namespace openinfer::compile {

#ifdef OPENINFER_SPIRV
namespace {

/// glslang's tables, once for the process.
struct Process {
  Process() { glslang::InitializeProcess(); }
  ~Process() { glslang::FinalizeProcess(); }
};

std::string line_of(const std::string& source, int number) {
  std::size_t at = 0;
  for (int i = 1; i < number && at != std::string::npos; ++i) {
    at = source.find('\n', at);
    if (at != std::string::npos) ++at;
  }
  return at == std::string::npos ? "" : source.substr(at, source.find('\n', at) - at);
}

/// "ERROR: 0:12: 'x' : undeclared identifier" and the text of line 12.
[[noreturn]] void fail_at_line(std::string_view name, const std::string& source, const std::string& log) {
  const std::string_view mark = "ERROR: 0:";
  const std::size_t at = log.find(mark);
  int number = 0;
  if (at != std::string::npos) {
    const char* digits = log.data() + at + mark.size();
    std::from_chars(digits, log.data() + log.size(), number);
  }
  fail(ErrorCode::internal, "[spirv] {}: {}\n  line {}: {}", name, log, number, line_of(source, number));
}

void validate(std::string_view name, const std::vector<std::uint32_t>& words, std::string_view when) {
  spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
  std::string log;
  tools.SetMessageConsumer([&](spv_message_level_t, const char*, const spv_position_t&, const char* message) {
    log += fmt::format("{}\n", message);
  });
  if (!tools.Validate(words)) fail(ErrorCode::internal, "[spirv] {}: not valid {}: {}", name, when, log);
}

std::vector<std::uint32_t> compiled(std::string_view name, const std::string& source) {
  static const Process process;
  glslang::TShader shader(EShLangCompute);
  const char* text = source.c_str();
  shader.setStrings(&text, 1);
  shader.setEnvInput(glslang::EShSourceGlsl, EShLangCompute, glslang::EShClientVulkan, 120);
  shader.setEnvClient(glslang::EShClientVulkan, glslang::EShTargetVulkan_1_2);
  shader.setEnvTarget(glslang::EShTargetSpv, glslang::EShTargetSpv_1_5);
  const auto rules = static_cast<EShMessages>(EShMsgSpvRules | EShMsgVulkanRules);
  if (!shader.parse(GetDefaultResources(), 460, false, rules)) fail_at_line(name, source, shader.getInfoLog());
  glslang::TProgram program;
  program.addShader(&shader);
  if (!program.link(rules)) fail_at_line(name, source, program.getInfoLog());
  std::vector<std::uint32_t> words;
  glslang::GlslangToSpv(*program.getIntermediate(EShLangCompute), words);
  return words;
}

/// SPIRV-Tools' own list for performance without what changes roundings (v2023.1): loop unrolling, whose copies lack
/// the decoration NoContraction, and simplification, which takes (x + c) - c for x wherever that decoration is not.
void register_passes(spvtools::Optimizer& optimizer) {
  optimizer.RegisterPass(spvtools::CreateDeadBranchElimPass())
      .RegisterPass(spvtools::CreateInlineExhaustivePass())
      .RegisterPass(spvtools::CreateEliminateDeadFunctionsPass())
      .RegisterPass(spvtools::CreateLocalSingleBlockLoadStoreElimPass())
      .RegisterPass(spvtools::CreateLocalSingleStoreElimPass())
      .RegisterPass(spvtools::CreateAggressiveDCEPass())
      .RegisterPass(spvtools::CreateScalarReplacementPass())
      .RegisterPass(spvtools::CreateLocalAccessChainConvertPass())
      .RegisterPass(spvtools::CreateLocalMultiStoreElimPass())
      .RegisterPass(spvtools::CreateAggressiveDCEPass())
      .RegisterPass(spvtools::CreateCCPPass())
      .RegisterPass(spvtools::CreateRedundancyEliminationPass())
      .RegisterPass(spvtools::CreateDeadBranchElimPass())
      .RegisterPass(spvtools::CreateBlockMergePass())
      .RegisterPass(spvtools::CreateRedundancyEliminationPass())
      .RegisterPass(spvtools::CreateAggressiveDCEPass());
}

std::vector<std::uint32_t> optimised(std::string_view name, const std::vector<std::uint32_t>& words) {
  spvtools::Optimizer optimizer(SPV_ENV_VULKAN_1_2);
  std::string log;
  optimizer.SetMessageConsumer([&](spv_message_level_t, const char*, const spv_position_t&, const char* message) {
    log += fmt::format("{}\n", message);
  });
  register_passes(optimizer);
  std::vector<std::uint32_t> result;
  spvtools::OptimizerOptions options;
  options.set_run_validator(false);  // that was done
  if (!optimizer.Run(words.data(), words.size(), &result, options))
    fail(ErrorCode::internal, "[spirv] {}: the optimizer fails: {}", name, log);
  return result;
}

}  // namespace

bool has_spirv() { return true; }

void prepare_spirv() { compiled("nothing", "#version 430\nvoid main() {}\n"); }

std::string spirv_tools() {
  const glslang::Version v = glslang::GetVersion();
  const std::string_view tools = spvSoftwareVersionString();
  return fmt::format("glslang {}.{}.{} and SPIRV-Tools {}", v.major, v.minor, v.patch,
                     tools.substr(0, tools.find(' ')));
}

std::vector<std::uint32_t> compile_glsl(std::string_view name, const std::string& source) {
  const std::vector<std::uint32_t> words = compiled(name, source);
  validate(name, words, "as compiled");
  std::vector<std::uint32_t> result = optimised(name, words);
  validate(name, result, "as optimised");
  return result;
}

#else

bool has_spirv() { return false; }

void prepare_spirv() {}

std::string spirv_tools() { return ""; }

std::vector<std::uint32_t> compile_glsl(std::string_view name, const std::string&) {
  fail(ErrorCode::unsupported,
       "[spirv] {}: this build has no GLSL compiler; install glslang-dev and spirv-tools and configure again", name);
}

#endif

std::vector<std::uint32_t> capabilities(const std::vector<std::uint32_t>& spirv) {
  constexpr std::size_t kHeader = 5;  // words
  constexpr std::uint32_t kOpCapability = 17;
  std::vector<std::uint32_t> found;
  for (std::size_t at = kHeader; at + 1 < spirv.size() && (spirv[at] & 0xffff) == kOpCapability; at += spirv[at] >> 16)
    found.push_back(spirv[at + 1]);
  return found;
}

}  // namespace openinfer::compile
