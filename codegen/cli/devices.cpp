// SPDX-License-Identifier: Apache-2.0
// openinfer devices: the device database; one device with the source of each number; what two devices differ in.
#include "codegen/devices/devices.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "codegen/cli/commands.h"
#include "codegen/cli/emitted_diff.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "codegen/devices/fields.h"

namespace openinfer::cli {
namespace {

using Json = nlohmann::ordered_json;

struct DevicesOptions {
  std::string name, api, driver, package, graph;
  std::vector<std::string> diff;
  bool json = false, text = false;
};

Json field_json(const FieldValue& value) {
  return std::visit(
      [](const auto& held) {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>)
          return Json();
        else
          return Json(held);
      },
      value);
}

/// Every field, whatever the class: the keys are always the same.
Json device_json(const Device& device) {
  Json json;
  for (const Field& field : device_fields()) json[std::string(field.name)] = field_json(field.get(device));
  return json;
}

void print_json(const Json& json) { print_bytes(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"); }

SourcedDevice asked_for(const std::string& name, const DevicesOptions& options) {
  return resolve_with_sources(DeviceSpec::named(name).api(options.api).driver(options.driver));
}

void list_devices(const DevicesOptions& options) {
  Json all = Json::array();
  std::string text = fmt::format("{:16} {:5} {:7} {:12} {:>5}  {:9} {}\n", "name", "class", "vendor", "apis", "lanes",
                                 "dot4", "what it is");
  for (const auto& name : device_names()) {
    const Device device = resolve(DeviceSpec::named(name));
    all.push_back(device_json(device));
    const std::string apis = to_text(find_field("apis")->get(device));
    text += fmt::format("{:16} {:5} {:7} {:12} {:5}  {:9} {}\n", name, openinfer::name(device.device_class),
                        device.vendor, apis, device.lanes, openinfer::name(device.dot4), device.title);
  }
  options.json ? print_json({{"devices", all}}) : print_out(text);
}

void show(const DevicesOptions& options) {
  const SourcedDevice found = asked_for(options.name, options);
  if (options.json) {
    Json json = device_json(found.device);
    json["sources"] = found.sources;
    return print_json(json);
  }
  std::string text;
  for (const Field& field : device_fields()) {
    if (field.applies != FieldFor::identity && !applies(field, found.device.device_class)) continue;
    const std::string value = to_text(field.get(found.device));
    if (value.empty() || field.name == "tuned") continue;
    const auto source = found.sources.find(field.name);
    const std::string shown = field.unit.empty() || field.unit == "bytes" || value == "unknown"
                                  ? value
                                  : fmt::format("{} {}", value, field.unit);
    text += source == found.sources.end() ? fmt::format("{:31} {}\n", field.name, shown)
                                          : fmt::format("{:31} {:12}  # {}\n", field.name, shown, source->second);
  }
  for (const auto& [parameter, value] : found.device.tuned) {
    const std::string field = "tune." + parameter;
    text += fmt::format("{:31} {:<12}  # {}\n", field, value, found.sources.at(field));
  }
  print_out(text);
}

Json emitted_json(const EmittedDiff& emitted) {
  Json json = {{"of", emitted.of}, {"same", emitted.same}, {"files", Json::array()}};
  for (const FileDifference& file : emitted.files) {
    const bool both = file.in_first && file.in_second;
    json["files"].push_back({{"path", file.path},
                             {"lines_a", file.in_first ? Json(file.first_lines) : Json()},
                             {"lines_b", file.in_second ? Json(file.second_lines) : Json()},
                             {"removed", both ? Json(file.removed) : Json()},
                             {"added", both ? Json(file.added) : Json()}});
  }
  return json;
}

std::string emitted_text(const EmittedDiff& emitted, const Device& a, const Device& b) {
  std::size_t widest = 0;
  for (const FileDifference& file : emitted.files) widest = std::max(widest, file.path.size());
  std::string text =
      fmt::format("\nemitted for {}: {} files for {}, {} for {}, {}\n", emitted.of, emitted.first_files, a.name,
                  emitted.second_files, b.name,
                  emitted.files.empty() ? "all the same" : fmt::format("{} of them the same", emitted.same));
  for (const FileDifference& file : emitted.files) {
    const std::string what = !file.in_first ? fmt::format("{} lines, {} only", file.second_lines, b.name)
                             : !file.in_second
                                 ? fmt::format("{} lines, {} only", file.first_lines, a.name)
                                 : fmt::format("-{} +{} of {} lines", file.removed, file.added, file.first_lines);
    text += fmt::format("  {:{}}  {}\n", file.path, widest, what);
  }
  return text;
}

void compare(const DevicesOptions& options) {
  const Device a = asked_for(options.diff[0], options).device, b = asked_for(options.diff[1], options).device;
  Json json = {{"a", a.name}, {"b", b.name}, {"differences", Json::array()}};
  std::string text;
  std::size_t widest = a.name.size();
  const auto differences = diff(a, b);
  for (const auto& one : differences) widest = std::max(widest, std::min<std::size_t>(one.a.size(), 32));
  if (!differences.empty()) text = fmt::format("{:31} {:{}}  {}\n", "", a.name, widest, b.name);
  for (const auto& one : differences) {
    const Field& field = *find_field(one.field);
    json["differences"].push_back(
        {{"field", one.field}, {"a", field_json(field.get(a))}, {"b", field_json(field.get(b))}});
    text += fmt::format("{:31} {:{}}  {}\n", one.field, one.a, widest, one.b);
  }
  if (differences.empty()) {
    text = fmt::format("{} and {} are the same device\n", options.diff[0], options.diff[1]);
  } else {
    const EmittedDiff emitted = emitted_diff(options.package, options.graph, a, b);
    json["emitted"] = emitted_json(emitted);
    text += emitted_text(emitted, a, b);
    if (options.text) text += "\n" + emitted.unified;
  }
  options.json ? print_json(json) : print_out(text);
}

void run_devices(const DevicesOptions& options) {
  const bool one = !options.name.empty(), two = !options.diff.empty();
  if (one && two)
    throw UsageError(fmt::format("devices: --diff compares two devices: '{}' beside {} and {} is one too many",
                                 options.name, options.diff[0], options.diff[1]));
  if (!one && !two && (!options.api.empty() || !options.driver.empty()))
    throw UsageError("devices: --api and --driver need a NAME or --diff A B");
  if (!two && (options.text || !options.package.empty() || !options.graph.empty()))
    throw UsageError("devices: --package, --graph and --text need --diff A B");
  if (options.text && options.json) throw UsageError("devices: --text and --json exclude each other");
  if (!options.graph.empty() && options.package.empty())
    throw UsageError("devices: --graph needs the --package that it is over");
  one ? show(options) : two ? compare(options) : list_devices(options);
}

}  // namespace

void add_devices(CLI::App& app, Action& action) {
  auto options = std::make_shared<DevicesOptions>();
  auto* command =
      app.add_subcommand("devices", "Show the devices that can be compiled for, and where each number is from");
  command->add_option("NAME", options->name, "One device, with every field; this-cpu is the detected machine");
  command->add_option("--diff", options->diff, "What two devices differ in, and what is emitted for them")
      ->expected(2)
      ->type_name("A B");
  command->add_option("--api", options->api, "As driven by cpu, vulkan or cuda")
      ->type_name("API")
      ->check(CLI::IsMember({"cpu", "vulkan", "cuda"}));
  command->add_option("--driver", options->driver, "As an older driver has it: 535.98, 535.xx")->type_name("VERSION");
  command->add_option("--package", options->package, "--diff: emit this package (default: a small llama)")
      ->type_name("M");
  command->add_option("--graph", options->graph, "--diff: emit this graph text (.oig) instead of the package's")
      ->type_name("F.oig");
  command->add_flag("--text", options->text, "--diff: the differing lines of all files, as a unified diff");
  command->add_flag("--json", options->json, "One JSON document");
  command->footer(
      "Examples:\n  openinfer devices ada-lovelace --api cuda\n  openinfer devices --diff zen4 this-cpu --json");
  command->callback([options, &action] { action = [options] { run_devices(*options); }; });
}

}  // namespace openinfer::cli
