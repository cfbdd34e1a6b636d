// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/encoder_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer::cli {
namespace {

/// The bound of a dimension that is one symbol alone; else 0.
std::int64_t symbol_bound(const Graph& graph, const Dim& dim) {
  const auto& terms = dim.terms();
  if (terms.size() != 1 || terms[0].factor != 1 || dim.constant() != 0) return 0;
  for (const auto& decl : graph.data().dims)
    if (decl.name == terms[0].symbol) return decl.max;
  return 0;
}

std::string list(const std::vector<std::pair<std::string, TensorType>>& types) {
  std::vector<std::string> items;
  for (const auto& [name, type] : types) items.push_back(name + ": " + type.to_string());
  return fmt::format("({})", fmt::join(items, ", "));
}

}  // namespace

std::optional<EncoderContract> encoder_contract(const Graph& graph) {
  const auto inputs = graph.inputs(), outputs = graph.outputs();
  const auto hidden = std::find_if(outputs.begin(), outputs.end(), [](const auto& o) { return o.first == "hidden"; });
  if (hidden == outputs.end() || hidden->second.dtype != f32 || hidden->second.shape.size() != 2) return std::nullopt;
  const Dim &rows = hidden->second.shape[0], &width = hidden->second.shape[1];
  EncoderContract contract = {.max_tokens = symbol_bound(graph, rows), .width = width.constant()};
  bool has_tok = false;
  for (const auto& [name, type] : inputs) {
    if (type.dtype != i32 || type.shape != Shape{rows}) return std::nullopt;
    if (name != "tok" && name != "types") return std::nullopt;
    (name == "tok" ? has_tok : contract.has_types) = true;
  }
  if (!has_tok || !width.is_constant() || contract.max_tokens < 1 || !graph.data().states.empty()) return std::nullopt;
  return contract;
}

std::string signature(const Graph& graph) {
  return fmt::format("{} -> {}", list(graph.inputs()), list(graph.outputs()));
}

Tensor hidden_state(SimSession& session, const EncoderContract& contract, const Encoding& text) {
  Inputs inputs = {{"tok", text.ids}};
  if (contract.has_types) inputs.emplace_back("types", text.types);
  return session.run_step(inputs, {"hidden"}, Location{})["hidden"];
}

}  // namespace openinfer::cli
