// SPDX-License-Identifier: Apache-2.0
// openinfer inspect: what a package says of itself; reads its index only.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "codegen/cli/commands.h"
#include "codegen/cli/options.h"
#include "codegen/cli/standard_output.h"

namespace openinfer::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectOptions {
  std::string model;
  bool tensors = false;
  bool json = false;
};

std::string hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

/// JSON has no infinities and no NaN: they are the text that `entry` prints.
Json real_json(double value, const std::string& printed) { return std::isfinite(value) ? Json(value) : Json(printed); }

/// The value by its type, never by what its text looks like. `find` gives it as a C++ value: find(T()) is an optional
/// T. Long arrays and tensors are the text that is printed, with their number of elements.
template <class Find>
Json meta_json(const MetaEntry& entry, const Find& find) {
  constexpr std::size_t kShown = 8;
  const bool array = entry.type.ends_with("[]");
  const std::string element = entry.type.substr(0, entry.type.size() - (array ? 2 : 0));
  const auto list = [&](const auto& values) { return values.size() > kShown ? Json(entry.value) : Json(values); };
  if (element.find(' ') != element.npos) return entry.value;  // "f32 tensor"
  if (element == "string" && !array) return *find(std::string());
  if (element == "string") return list(*find(std::vector<std::string>()));
  if (element == "bool" && !array) return *find(bool());
  if (element == "bool") return list(*find(std::vector<bool>()));
  const bool integer = element[0] == 'i' || element[0] == 'u';
  if (integer) {  // the text is exact, also for u64
    const Json number = Json::parse(entry.value, nullptr, false);
    return number.is_discarded() ? Json(entry.value) : number;
  }
  if (!array) return real_json(*find(double()), entry.value);
  const auto values = *find(std::vector<double>());
  if (values.size() > kShown) return entry.value;
  Json json = Json::array();
  for (const double value : values) json.push_back(real_json(value, fmt::format("{}", value)));
  return json;
}

template <class Find>
Json entries_json(const std::vector<MetaEntry>& entries, const Find& find) {
  Json json = Json::object();
  for (const auto& entry : entries) {
    const auto found = [&](auto type) { return find(std::string(entry.key), type); };
    json[std::string(entry.key)] = {{"type", entry.type}, {"value", meta_json(entry, found)}};
  }
  return json;
}

Json tensor_json(const TensorInfo& tensor) {
  Json json = {{"key", tensor.key},       {"dtype", name(tensor.dtype)},
               {"shape", tensor.shape},   {"size_bytes", tensor.size_bytes},
               {"layout", tensor.layout}, {"transposed", tensor.transposed},
               {"splat", tensor.splat},   {"shard", tensor.shard},
               {"offset", tensor.offset}};
  json["alias_of"] = tensor.alias_of.empty() ? Json() : Json(tensor.alias_of);
  return json;
}

Json model_json(const Model& model) {
  Json json;
  json["path"] = model.path();
  json["size_bytes"] = std::filesystem::file_size(model.path());
  json["fingerprint"] = hex(model.fingerprint());
  json["metadata"] = entries_json(model.metadata(),
                                  [&]<class T>(const std::string& key, const T&) { return model.find_meta<T>(key); });
  json["dims"] = Json::array();
  for (const auto& dim : model.dims()) json["dims"].push_back({{"name", dim.name}, {"min", dim.min}, {"max", dim.max}});
  json["states"] = Json::object();
  for (const auto state : model.state_names()) json["states"][std::string(state)] = model.state_spec(state).to_string();
  json["tokenizer"] = entries_json(model.tokenizer_metadata(), [&]<class T>(const std::string& key, const T&) {
    return model.find_tokenizer<T>(key);
  });
  json["graphs"] = Json::array();
  for (const auto& graph : model.graphs()) json["graphs"].push_back(graph.first);
  json["sections"] = Json::array();
  for (const auto& section : model.sections())
    json["sections"].push_back({{"kind", section.kind},
                                {"name", section.name},
                                {"offset", section.offset},
                                {"size_bytes", section.size_bytes}});
  json["tensors"] = Json::array();
  for (const auto& tensor : model.tensors()) json["tensors"].push_back(tensor_json(tensor));
  return json;
}

void print_entries(std::string_view title, const std::vector<MetaEntry>& entries) {
  if (entries.empty()) return;
  print_out("{}\n", title);
  std::size_t width = 0;
  for (const auto& entry : entries) width = std::max(width, entry.key.size());
  for (const auto& entry : entries) print_out("  {:{}}  {:8} {}\n", entry.key, width, entry.type, entry.value);
}

bool has_bytes(const TensorInfo& tensor) { return tensor.alias_of.empty() && !tensor.splat; }

void print_summary(const std::vector<TensorInfo>& tensors) {
  struct Sum {
    std::size_t count = 0;
    std::uint64_t size_bytes = 0;
  };
  std::map<std::string_view, Sum> by_dtype;
  Sum all;
  std::size_t without_bytes = 0;
  for (const auto& tensor : tensors) {
    if (!has_bytes(tensor)) {
      ++without_bytes;
      continue;
    }
    for (Sum* sum : {&by_dtype[name(tensor.dtype)], &all}) ++sum->count, sum->size_bytes += tensor.size_bytes;
  }
  print_out("tensors\n  {} of {}", all.count, size_text(all.size_bytes));
  if (without_bytes > 0) print_out(", {} aliases and splats without bytes", without_bytes);
  print_out("\n");
  for (const auto& [dtype, sum] : by_dtype) print_out("  {:6} {:6} {}\n", dtype, sum.count, size_text(sum.size_bytes));
}

void print_tensors(const std::vector<TensorInfo>& tensors) {
  std::size_t width = 0;
  for (const auto& tensor : tensors) width = std::max(width, tensor.key.size());
  for (const auto& tensor : tensors) {
    print_out("  {:{}}  {:6} {:18} {:>12}", tensor.key, width, name(tensor.dtype), to_string(tensor.shape),
              has_bytes(tensor) ? std::to_string(tensor.size_bytes) : "0");
    if (tensor.transposed) print_out("  transposed");
    if (tensor.layout != "rows") print_out("  {}", tensor.layout);
    if (!tensor.alias_of.empty()) print_out("  alias of {}", tensor.alias_of);
    if (tensor.splat) print_out("  splat");
    print_out("\n");
  }
}

void print_dims_and_states(const Model& model) {
  if (!model.dims().empty()) print_out("dimensions\n");
  for (const auto& dim : model.dims())
    dim.min == dim.max ? print_out("  {} = {}\n", dim.name, dim.min)
                       : print_out("  {} in {}..{}\n", dim.name, dim.min, dim.max);
  if (!model.state_names().empty()) print_out("states\n");
  for (const auto state : model.state_names()) print_out("  {}: {}\n", state, model.state_spec(state).to_string());
}

void print_text(const Model& model, bool list_tensors) {
  print_out("{}: {}, fingerprint {}\n", model.path(), size_text(std::filesystem::file_size(model.path())),
            hex(model.fingerprint()));
  print_entries("metadata", model.metadata());
  print_dims_and_states(model);
  print_entries("tokenizer", model.tokenizer_metadata());
  print_out("sections\n");
  for (const auto& section : model.sections())
    print_out("  {:10} {:>12} bytes at {}{}{}\n", section.kind, section.size_bytes, section.offset,
              section.name.empty() ? "" : ": ", section.name);
  for (const auto& graph : model.graphs())
    print_out("graph\n  {}: {} bytes of text\n", graph.first, graph.second.size());
  print_summary(model.tensors());
  if (list_tensors) print_tensors(model.tensors());
}

void run_inspect(const InspectOptions& options) {
  const Model model = open_model(options.model);
  if (options.json)
    print_bytes(model_json(model).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  else
    print_text(model, options.tensors);
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  auto options = std::make_shared<InspectOptions>();
  auto* command = app.add_subcommand("inspect", "Show metadata, dimensions, states, sections and tensors of a package");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  command->add_flag("--tensors", options->tensors, "List every tensor: key, dtype, shape, bytes");
  command->add_flag("--json", options->json, "One JSON document, tensors included");
  command->footer(
      "Examples:\n  openinfer inspect smollm2.oinf --tensors\n  openinfer inspect smollm2.oinf --json | jq .metadata");
  command->callback([options, &action] { action = [options] { run_inspect(*options); }; });
}

}  // namespace openinfer::cli
