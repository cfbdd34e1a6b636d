// SPDX-License-Identifier: Apache-2.0
// openinfer explain: from emitted code to the lines of the graph's source, and back.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "codegen/cli/commands.h"
#include "codegen/cli/emitted_folder.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "lib/base/fail.h"
#include "lib/base/nearest.h"

namespace openinfer::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using plan::PlanStep;

struct ExplainOptions {
  std::string folder, what;
  std::vector<std::string> sources;
  bool json = false;
};

/// What is explained, with all that may be printed of it.
class Explanation {
 public:
  explicit Explanation(const ExplainOptions& options)
      : folder_(options.folder), sources_(options.sources.empty() ? usual_sources() : options.sources) {}

  void kernel(const std::string& name) {
    const std::string file = folder_.kernel_file(name);
    json_ = {{"kernel", name}, {"file", file}, {"nodes", Json::array()}, {"dispatches", Json::array()}};
    text_ = fmt::format("{}{}\n", name, file.empty() ? "" : ": " + file);
    std::vector<const PlanStep*> steps;
    for (const PlanStep& step : folder_.steps())
      if (std::find(step.kernels.begin(), step.kernels.end(), name) != step.kernels.end()) steps.push_back(&step);
    std::vector<PlanStep::Node> nodes;
    for (const PlanStep* step : steps)
      for (const PlanStep::Node& node : step->nodes)
        if (std::none_of(nodes.begin(), nodes.end(),
                         [&](const auto& n) { return n.text == node.text && n.at == node.at; }))
          nodes.push_back(node);
    text_ += "computes\n";
    node_lines(nodes);
    text_ += "called by\n";
    for (const PlanStep* step : steps) dispatch(*step, name);
  }

  /// A line of the graph's source; 0: every line of the file.
  void line(const std::string& file, int number) {
    sources_.use(file);
    const std::string name = fs::path(file).filename().string();
    const auto wanted = [&](const std::string& at) {
      const auto [from, line] = split_location(at);
      return from == name && (number == 0 || line == number);
    };
    json_ = {{"line", number == 0 ? name : fmt::format("{}:{}", name, number)}, {"dispatches", Json::array()}};
    std::set<int> lines;
    for (const PlanStep& step : folder_.steps())
      for (const PlanStep::Node& node : step.nodes)
        if (wanted(node.at)) lines.insert(split_location(node.at).second);
    for (const int one : lines) {
      const std::string at = fmt::format("{}:{}", name, one), quoted = sources_.line(at);
      text_ += fmt::format("{}{}\n", at, quoted.empty() ? "" : "  " + quoted);
      if (number != 0) json_["source"] = quoted.empty() ? Json() : Json(quoted);
      for (const PlanStep& step : folder_.steps())
        if (std::any_of(step.nodes.begin(), step.nodes.end(), [&](const auto& n) { return n.at == at; }))
          came_from(step, at);
    }
  }

  void print(bool json) const {
    json ? print_bytes(json_.dump(2, ' ', false, Json::error_handler_t::replace) + "\n") : print_out(text_);
  }
  EmittedFolder& folder() { return folder_; }

 private:
  /// Where our own graphs stand, seen from the project's root.
  static std::vector<std::string> usual_sources() { return {"include/openinfer/models", "examples"}; }

  void node_lines(const std::vector<PlanStep::Node>& nodes) {
    std::size_t widest = 0, widest_at = 0;
    for (const PlanStep::Node& n : nodes) {
      widest = std::max(widest, n.text.size());
      widest_at = std::max(widest_at, n.at.size());
    }
    for (const PlanStep::Node& n : nodes) {
      const std::string quoted = n.at.empty() ? "" : sources_.line(n.at);
      std::string line = fmt::format("  {:{}}  {:{}}  {}", n.text, widest, n.at, widest_at, quoted);
      line.erase(line.find_last_not_of(' ') + 1);
      text_ += line + "\n";
      json_["nodes"].push_back(node_json(n));
    }
  }
  Json node_json(const PlanStep::Node& n) {
    const std::string quoted = n.at.empty() ? "" : sources_.line(n.at);
    return {{"node", n.text},
            {"at", n.at.empty() ? Json() : Json(n.at)},
            {"source", quoted.empty() ? Json() : Json(quoted)}};
  }

  /// "decode, dispatch 2, for l in 0..30": and how often, if loops are around.
  std::string place(const PlanStep& step, std::int64_t turns) const {
    std::string text = fmt::format("{}, dispatch {}", step.entry, step.number);
    for (const std::string& around : step.around) text += ", " + around;
    if (turns != step.turns) return fmt::format("{} ({} of {} turns)", text, turns, step.turns);
    return step.turns == 1 ? text : fmt::format("{} ({} times)", text, turns);
  }
  Json step_json(const PlanStep& step) {
    return {{"entry", step.entry}, {"number", step.number}, {"inside", step.around},
            {"turns", step.turns}, {"what", step.what},     {"operands", step.operands},
            {"bytes", step.bytes}, {"flops", step.flops},   {"reason", step.reason}};
  }
  std::string called(const PlanStep& step, const std::string& kernel, Json& json) const {
    const int line = folder_.call_line(step, kernel);
    json["host"] = line == 0 ? Json() : Json(fmt::format("host/model.cpp:{}", line));
    return line == 0 ? "" : fmt::format("    host/model.cpp:{}\n", line);
  }

  void dispatch(const PlanStep& step, const std::string& kernel) {
    Json json = step_json(step);
    const std::int64_t turns = EmittedFolder::turns_of(step, kernel);
    json["turns"] = turns;
    text_ += fmt::format("  {}\n    {}; workgroups: {}\n", place(step, turns), step.work, step.what);
    if (!step.reason.empty()) text_ += fmt::format("    {}\n", step.reason);
    if (!step.operands.empty()) text_ += fmt::format("    {}\n", step.operands);
    text_ += called(step, kernel, json);
    json_["dispatches"].push_back(std::move(json));
  }

  /// A step of which some node came from the line.
  void came_from(const PlanStep& step, const std::string& at) {
    Json json = step_json(step);
    json["kernels"] = Json::array();
    json["nodes"] = Json::array();
    std::vector<std::string> nodes, others;
    for (const PlanStep::Node& n : step.nodes) {
      (n.at == at ? nodes : others).push_back(n.text);
      if (n.at == at) json["nodes"].push_back(node_json(n));
    }
    text_ += fmt::format("  {}: {}\n", place(step, step.turns), fmt::join(nodes, "; "));
    if (!others.empty()) text_ += fmt::format("    together with {}\n", fmt::join(others, "; "));
    std::set<std::string> shown;
    for (const std::string& kernel : step.kernels) {
      if (!shown.insert(kernel).second) continue;
      Json one = {{"kernel", kernel}, {"file", folder_.kernel_file(kernel)}};
      text_ += fmt::format("    {}\n", folder_.kernel_file(kernel).empty() ? kernel : folder_.kernel_file(kernel));
      text_ += called(step, kernel, one);
      json["kernels"].push_back(std::move(one));
    }
    if (step.kernels.empty()) text_ += fmt::format("    {}\n", step.what);
    text_ += fmt::format("    {}\n", step.work);
    if (!step.reason.empty()) text_ += fmt::format("    {}\n", step.reason);
    json_["dispatches"].push_back(std::move(json));
  }

  EmittedFolder folder_;
  Sources sources_;
  Json json_;
  std::string text_;
};

/// Names that hold the wanted one, else those that are near, else all, if they are few.
std::string remedy(const std::string& wanted, const std::vector<std::string_view>& names) {
  std::vector<std::string_view> holding;
  for (const std::string_view name : names)
    if (wanted.size() >= 3 && name.find(wanted) != name.npos) holding.push_back(name);
  if (!holding.empty())
    return fmt::format("; there {} {}", holding.size() == 1 ? "is" : "are", fmt::join(holding, ", "));
  if (const std::string near = did_you_mean(wanted, names); !near.empty()) return near;
  return names.size() > 40 ? "" : fmt::format("; there are {}", fmt::join(names, ", "));
}

/// The lines that some node came from, by file.
std::map<std::string, std::set<int>> known_lines(const EmittedFolder& folder) {
  std::map<std::string, std::set<int>> known;
  for (const PlanStep& step : folder.steps())
    for (const PlanStep::Node& node : step.nodes)
      if (const auto [file, line] = split_location(node.at); line > 0) known[file].insert(line);
  return known;
}

[[noreturn]] void fail_line(const std::string& file, int line, const std::set<int>& known) {
  std::vector<int> near(known.begin(), known.end());
  std::stable_sort(near.begin(), near.end(), [&](int a, int b) { return std::abs(a - line) < std::abs(b - line); });
  near.resize(std::min<std::size_t>(near.size(), 3));
  std::sort(near.begin(), near.end());
  fail(ErrorCode::not_found, "[explain] no kernel came from {}:{}; the nearest lines that some came from: {}", file,
       line, fmt::join(near, ", "));
}

void run_explain(const ExplainOptions& options) {
  for (const std::string& source : options.sources)
    if (std::error_code error; !fs::is_directory(source, error))
      fail(ErrorCode::io_error, "[explain] --source {}: {}", source,
           fs::exists(source, error) ? "no folder" : "no such folder");
  Explanation explanation(options);
  EmittedFolder& folder = explanation.folder();
  const auto [file, line] = split_location(options.what);
  const std::string name = fs::path(file).filename().string(), stem = fs::path(file).stem().string();
  const auto lines = known_lines(folder);
  const bool is_file = name.find('.') != name.npos;
  if (const auto colon = name.rfind(':'); colon != name.npos && line == 0)
    throw UsageError(fmt::format("explain: '{}' of '{}' is no line number", name.substr(colon + 1), options.what));
  if (name == "model.cpp" && line > 0 && !lines.contains(name)) {
    const std::string kernel = folder.called_at(line);
    if (kernel.empty())
      fail(ErrorCode::not_found, "[explain] host/model.cpp:{} calls no kernel; name a line of a call, or a kernel",
           line);
    explanation.kernel(kernel);
  } else if (folder.has_kernel(stem) && (!is_file || !lines.contains(name))) {
    explanation.kernel(stem);
  } else if (lines.contains(name)) {
    if (line > 0 && !lines.at(name).contains(line)) fail_line(name, line, lines.at(name));
    explanation.line(file, line);
  } else if (is_file && line > 0) {
    std::vector<std::string_view> files;
    for (const auto& [known, numbers] : lines) files.push_back(known);
    fail(ErrorCode::not_found, "[explain] nothing in {} came from {}; its kernels came from {}", folder.path(), name,
         fmt::join(files, ", "));
  } else {
    fail(ErrorCode::not_found, "[explain] {} has no kernel '{}'{}", folder.path(), stem,
         remedy(stem, folder.kernels()));
  }
  explanation.print(options.json);
}

}  // namespace

void add_explain(CLI::App& app, Action& action) {
  auto options = std::make_shared<ExplainOptions>();
  auto* command =
      app.add_subcommand("explain", "Say which lines an emitted kernel came from, and what became of a line");
  command->add_option("DIR", options->folder, "An emitted project")->required();
  command
      ->add_option("KERNEL_OR_LINE", options->what,
                   "matmul_Wo, device/matmul_Wo.cpp, host/model.cpp:120; or llama.h:62 of the graph's source, llama.h: "
                   "all of it")
      ->required();
  command->add_option("--source", options->sources, "Quote lines of files below this folder; may be repeated")
      ->allow_extra_args(false);
  command->add_flag("--json", options->json, "One JSON document");
  command->footer(
      "Examples:\n  openinfer explain smollm2_cpu device/matmul_Wo.cpp\n"
      "  openinfer explain smollm2_cpu llama.h:62 --source include");
  command->callback([options, &action] { action = [options] { run_explain(*options); }; });
}

}  // namespace openinfer::cli
