// SPDX-License-Identifier: Apache-2.0
// openinfer devices: the device database; one device with the source of each number; what two devices differ in.
#include "codegen/devices/devices.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "codegen/cli/commands.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "codegen/devices/fields.h"

namespace openinfer::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string name, api, driver;
  std::vector<std::string> diff;
  bool json = false;
};

Json value_json(const FieldValue& value) {
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
Json to_json(const Device& device) {
  Json json;
  for (const Field& field : device_fields()) json[std::string(field.name)] = value_json(field.get(device));
  return json;
}

void print_json(const Json& json) { print_out("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace)); }

SourcedDevice asked_for(const std::string& name, const Options& options) {
  return resolve_with_sources(DeviceSpec::named(name).api(options.api).driver(options.driver));
}

void list(const Options& options) {
  Json all = Json::array();
  std::string text = fmt::format("{:16} {:5} {:7} {:12} {:>5}  {:9} {}\n", "name", "class", "vendor", "apis", "lanes",
                                 "dot4", "what it is");
  for (const auto& name : device_names()) {
    const Device device = resolve(DeviceSpec::named(name));
    all.push_back(to_json(device));
    const std::string apis = to_text(find_field("apis")->get(device));
    text += fmt::format("{:16} {:5} {:7} {:12} {:5}  {:9} {}\n", name, openinfer::name(device.device_class),
                        device.vendor, apis, device.lanes, openinfer::name(device.dot4), device.title);
  }
  options.json ? print_json({{"devices", all}}) : print_out("{}", text);
}

void show(const Options& options) {
  const SourcedDevice found = asked_for(options.name, options);
  if (options.json) {
    Json json = to_json(found.device);
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
  print_out("{}", text);
}

void compare(const Options& options) {
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
        {{"field", one.field}, {"a", value_json(field.get(a))}, {"b", value_json(field.get(b))}});
    text += fmt::format("{:31} {:{}}  {}\n", one.field, one.a, widest, one.b);
  }
  if (differences.empty()) text = fmt::format("{} and {} are the same device\n", options.diff[0], options.diff[1]);
  options.json ? print_json(json) : print_out("{}", text);
}

void run(const Options& options) {
  const bool one = !options.name.empty(), two = !options.diff.empty();
  if (one && two) throw UsageError("devices: NAME and --diff A B exclude each other");
  if (!one && !two && (!options.api.empty() || !options.driver.empty()))
    throw UsageError("devices: --api and --driver need a NAME or --diff A B");
  one ? show(options) : two ? compare(options) : list(options);
}

}  // namespace

void add_devices(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command =
      app.add_subcommand("devices", "Show the devices that can be compiled for, and where each number is from");
  command->add_option("NAME", options->name, "One device, with every field; this-cpu is the detected machine");
  command->add_option("--diff", options->diff, "What two devices differ in")->expected(2)->type_name("A B");
  command->add_option("--api", options->api, "As driven by cpu, vulkan or cuda")->type_name("API");
  command->add_option("--driver", options->driver, "As an older driver has it: 535.98, 535.xx")->type_name("VERSION");
  command->add_flag("--json", options->json, "One JSON document");
  command->footer(
      "Examples:\n  openinfer devices ada-lovelace --api cuda\n  openinfer devices --diff zen4 this-cpu --json");
  command->callback([options, &action] { action = [options] { run(*options); }; });
}

}  // namespace openinfer::cli
