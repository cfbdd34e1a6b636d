// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/row_contract.h"

#include <algorithm>
#include <limits>

#include "codegen/plan/graph_facts.h"
#include "codegen/plan/size.h"
#include "lib/graph/ir.h"

namespace openinfer::plan {
namespace {

const TensorType* type_of(const std::vector<std::pair<std::string, TensorType>>& types, std::string_view name) {
  for (const auto& [key, type] : types)
    if (key == name) return &type;
  return nullptr;
}

std::int64_t upper_bound(const GraphData& graph, const Dim& dim) {
  if (dim.is_constant()) return dim.constant();
  for (const auto& decl : graph.dims)
    if (decl.name == lone_symbol(dim)) return decl.max;
  return 0;
}

/// An input beside the rows: of an encoder-decoder.
bool is_source(std::string_view name, const TensorType& type, const TensorType& tok) {
  if (name == "source") return type.shape.size() == 1;
  if (name == "source_slot") return type.shape.empty();
  return name == "source_end" && type.shape == tok.shape;
}

/// The source's inputs: all of them or none, and a cache of its keys and values. False: something between.
bool read_source(const Graph& graph, RowContract& contract) {
  const auto inputs = graph.inputs();
  const auto* source = type_of(inputs, "source");
  const auto parts =
      (source != nullptr) + (type_of(inputs, "source_slot") != nullptr) + (type_of(inputs, "source_end") != nullptr);
  if (parts == 0) return true;
  if (parts != 3 || contract.max_source == 0) return false;
  contract.has_source = true;
  contract.max_source = std::min(contract.max_source, upper_bound(graph.data(), source->shape[0]));
  return true;
}

}  // namespace

void read_states(const Graph& graph, RowContract& contract) {
  const auto& data = graph.data();
  contract.max_context = std::numeric_limits<std::int32_t>::max();
  const Caches all = caches(data);
  contract.context_symbol = all.context_symbol;
  contract.slots_symbol = all.slots_symbol;
  for (const Dim& context : all.contexts)
    contract.max_context = std::min(contract.max_context, upper_bound(data, context));
  for (const auto& state : data.states) {
    const auto& spec = state.spec;
    if (spec.kind != StateSpec::Kind::kv_cache) {
      contract.caches_only = false;
    } else if (state.name == kSourceCache) {
      contract.max_source = upper_bound(data, spec.shape[3]);
      contract.source_capacity_symbol = lone_symbol(spec.shape[3]);
    }
  }
}

std::optional<RowContract> row_contract(const Graph& graph) {
  const auto inputs = graph.inputs(), outputs = graph.outputs();
  const auto *tok = type_of(inputs, "tok"), *rows = type_of(inputs, "rows"), *logits = type_of(outputs, "logits");
  if (!tok || !rows || !logits || logits->dtype != f32 || logits->shape.size() != 2) return std::nullopt;
  for (const auto& [name, type] : inputs) {
    if (type.dtype == i32 && is_source(name, type, *tok)) continue;
    const bool known = name == "tok" || name == "pos" || name == "slot" || name == "rows";
    if (!known || type.dtype != i32 || type.shape.size() != 1) return std::nullopt;
    if (name != "rows" && type.shape != tok->shape) return std::nullopt;
  }
  const auto& vocab = logits->shape[1];
  if (!vocab.is_constant() || lone_symbol(tok->shape[0]).empty() || lone_symbol(rows->shape[0]).empty())
    return std::nullopt;
  const auto& data = graph.data();
  RowContract contract;
  contract.max_rows = upper_bound(data, tok->shape[0]);
  contract.max_logit_rows = upper_bound(data, rows->shape[0]);
  contract.rows_symbol = lone_symbol(tok->shape[0]);
  contract.logit_rows_symbol = lone_symbol(rows->shape[0]);
  contract.vocab_size = vocab.constant();
  contract.has_pos = type_of(inputs, "pos") != nullptr;
  contract.has_slot = type_of(inputs, "slot") != nullptr;
  read_states(graph, contract);
  if (!read_source(graph, contract)) return std::nullopt;
  return contract;
}

}  // namespace openinfer::plan
