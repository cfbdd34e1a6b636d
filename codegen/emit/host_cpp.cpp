// SPDX-License-Identifier: Apache-2.0
// The host program for CPUs: pointers into the mapped package, kernels as functions.
#include "codegen/emit/host_cpp.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "codegen/emit/cpp.h"
#include "codegen/emit/host_model.h"
#include "codegen/emit/host_steps.h"

namespace openinfer::emit {
namespace {

using plan::Role;

class CpuModel final : public HostModel {
 public:
  using HostModel::HostModel;

 private:
  bool streams() const { return plan_.budget.bytes != 0; }
  std::string_view base_header() const override { return streams() ? "streamed_program.h" : "cpu_program.h"; }
  std::string_view base() const { return streams() ? "StreamedProgram" : "CpuProgram"; }
  /// Weights that have a place: not those that only pass by.
  std::vector<int> placed_weights() const {
    std::vector<int> all = of_role(Role::weight);
    if (streams()) std::erase_if(all, [&](int b) { return fetch(b) == "streamed"; });
    return all;
  }

  void declarations() override {
    const std::string constants = constant_arrays();
    if (!constants.empty()) line("namespace constants {{\n{}}}  // namespace constants\n", constants);
    weights();
    states();
    ceil_div();
  }
  void weights() {
    const std::vector<int> all = placed_weights();
    if (all.empty()) return;
    line("/// Where {} lie; shapes as stored.\nstruct Weights {{",
         streams() ? "resident tensors, and the rows that are looked up of others," : "the package's tensors");
    for (const int b : all)
      line("  const {}* {}{};  // {}", buffers_.type(b), buffers_.name(b),
           buffers_[b].ranges.empty() ? "" : fmt::format("[{}]", members(buffers_[b])), comment_of(buffers_[b]));
    line("}};\n");
  }
  void states() {
    const std::vector<int> all = of_role(Role::state);
    if (all.empty()) return;
    line("/// What goes on from step to step.\nstruct State {{");
    for (const int b : all) line("  {}* {};  // {}", buffers_.type(b), buffers_.name(b), comment_of(buffers_[b]));
    line("}};\n");
  }

  void steps() override {
    const std::vector<int> all = of_role(Role::weight), weights = placed_weights(), states = of_role(Role::state);
    line("class Steps final : public {} {{\n public:", base());
    line(
        "  Steps(const std::string& package, const Options& options) : {}({}::description(), package, "
        "options){} "
        "{{",
        base(), plan_.name, plan_.taps.empty() ? "" : ", check(options.check)");
    if (!weights.empty()) line("    place_weights();");
    for (const int b : states) line("    state.{} = new_state<{}>({});", buffers_.name(b), buffers_.type(b), count(b));
    line("  }}\n\n private:");
    if (!weights.empty()) {
      line("  void place_weights() {{");
      for (const int w : weights)
        line("    place({}, weights.{});", std::find(all.begin(), all.end(), w) - all.begin(), buffers_.name(w));
      line("  }}\n");
    }
    run_function();
    for (std::size_t e = 0; e < plan_.entries.size(); ++e) add("\n" + cpu_entry(buffers_, static_cast<int>(e)));
    if (!states.empty() || !weights.empty() || !plan_.taps.empty()) add("\n");
    if (!plan_.taps.empty()) line("  const Tap check;  // holds what the kernels wrote to what was recorded");
    if (!weights.empty()) line("  Weights weights = {{}};");
    if (!states.empty()) line("  State state = {{}};");
    line("}};\n");
  }
  bool lays_out_on_use() const {
    const std::vector<int> weights = placed_weights();
    return std::any_of(weights.begin(), weights.end(), [&](int w) { return buffers_.on_use(w); });
  }
  void run_function() {
    std::vector<std::string> arguments;
    for (std::size_t i = 0; i < plan_.inputs.size(); ++i)
      arguments.push_back(fmt::format("static_cast<const {}*>(in[{}]->data)",
                                      buffers_.type(buffers_.number(Role::input, plan_.inputs[i])), i));
    for (std::size_t o = 0; o < plan_.outputs.size(); ++o)
      arguments.push_back(
          fmt::format("static_cast<{}*>(out[{}])", buffers_.type(buffers_.number(Role::output, plan_.outputs[o])), o));
    line("  void run(std::size_t entry, [[maybe_unused]] const Input* const* in, void* const* out) override {{");
    if (streams())
      line("    begin_step();");
    else if (lays_out_on_use())
      line("    if (move_small_weights()) place_weights();");
    line("    switch (entry) {{");
    for (std::size_t e = 0; e < plan_.entries.size(); ++e) {
      const std::string start = fmt::format("      case {}: return {}(", e, entry_function(plan_.entries[e]));
      line("{}", wrapped_list(start, arguments, ");", 10));
    }
    line("    }}\n  }}");
  }
};

}  // namespace

std::string kernels_h(const plan::Plan& plan) {
  std::set<std::string> records;
  std::string declarations;
  for (const plan::Kernel& k : plan.kernels) {
    const kir::Kernel code = with_cpp_names(k.code);
    std::vector<std::string> parameters;
    for (const kir::Buffer& b : code.buffers) {
      if (b.space == kir::Space::shared) continue;
      const std::string type = element_type(code, b);
      if (b.record >= 0) records.insert(type);
      parameters.push_back(fmt::format("{}{}* {}", b.access == kir::Access::read ? "const " : "", type, b.name));
    }
    for (const std::string& p : code.params) parameters.push_back("int " + p);
    parameters.push_back("int group");
    const std::string start = fmt::format("void {}(", code.name);
    declarations += wrapped_list(start, parameters, ");\n", start.size() > 60 ? 4 : start.size());
  }
  std::string text = fmt::format(
      "// The kernels of this model: each computes one workgroup, a share of its dispatch that no other one touches.\n"
      "#pragma once\n\n#include <cstdint>\n\nnamespace {}::kernel {{\n\n"
      "// What lies in memory only; kernel.h says how it is read.\n"
      "struct f16 {{\n  std::uint16_t bits;\n}};\nstruct bf16 {{\n  std::uint16_t bits;\n}};\n"
      "struct b1 {{\n  std::uint8_t byte;\n}};\n",
      plan.name);
  for (const std::string& record : records) text += fmt::format("struct {};\n", record);
  return text + "\n" + declarations + fmt::format("\n}}  // namespace {}::kernel\n", plan.name);
}

std::string cpu_model(const HostSource& source) { return CpuModel(source).run(); }

}  // namespace openinfer::emit
