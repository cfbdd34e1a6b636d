// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/architectures.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "codegen/cli/options.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"
#include "openinfer/models/bert.h"
#include "openinfer/models/gemma2.h"
#include "openinfer/models/gemma3.h"
#include "openinfer/models/gpt2.h"
#include "openinfer/models/gpt_oss.h"
#include "openinfer/models/llama.h"
#include "openinfer/models/mistral.h"
#include "openinfer/models/mixtral.h"
#include "openinfer/models/phi3.h"
#include "openinfer/models/qwen2.h"
#include "openinfer/models/qwen3.h"
#include "openinfer/models/qwen3moe.h"
#include "openinfer/models/t5.h"

namespace openinfer::cli {
namespace {

/// Encoders have no cache, so there is nothing of that dtype.
Graph encoder(const Model& model, DType) { return models::bert(model); }

constexpr std::array kArchitectures = {
    Architecture{"llama", models::llama},     Architecture{"mistral", models::mistral},
    Architecture{"qwen2", models::qwen2},     Architecture{"qwen3", models::qwen3},
    Architecture{"gemma2", models::gemma2},   Architecture{"gemma3", models::gemma3},
    Architecture{"gpt2", models::gpt2},       Architecture{"phi3", models::phi3},
    Architecture{"mixtral", models::mixtral}, Architecture{"qwen3moe", models::qwen3moe},
    Architecture{"gpt-oss", models::gpt_oss}, Architecture{"bert", encoder},
    Architecture{"roberta", encoder},         Architecture{"t5", models::t5}};

/// A text says itself which dtype its caches have.
ChosenGraph from_text(Graph graph, std::string origin, std::optional<DType> kv_dtype) {
  for (const auto& state : graph.data().states)
    if (kv_dtype && state.spec.kind == StateSpec::Kind::kv_cache && state.spec.dtype != *kv_dtype)
      fail(ErrorCode::invalid_argument, "[graph] --kv-dtype {}: the {} declares ${} as {}; change it there",
           name(*kv_dtype), origin, state.name, name(state.spec.dtype));
  return {std::move(graph), std::move(origin)};
}

std::string known_names() {
  std::vector<std::string_view> names;
  for (const auto& row : kArchitectures) names.push_back(row.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// The table's graph over this package. A package that says the architecture's name and has not its parts, or has them
/// in a form that the graph does not know, gets the remedy.
Graph built(const Architecture& row, const Model& model, DType kv_dtype) try {
  return row.build(model, kv_dtype);
} catch (const Error& error) {
  if (error.code() == ErrorCode::internal) throw;
  const bool lacks = error.code() == ErrorCode::not_found;
  fail(error.code(), "{}; {} says that it is a {}, whose graph {}: {}give --graph F.oig", error.what(), model.path(),
       row.name, lacks ? "needs this" : "cannot be built over it",
       lacks ? fmt::format("convert with --arch {}, or ", row.name) : "");
}

/// The row that the package names, or null.
const Architecture* row_of(const Model& model) {
  const auto architecture = model.find_meta<std::string>("general.architecture").value_or("");
  const auto row = std::find_if(kArchitectures.begin(), kArchitectures.end(),
                                [&](const Architecture& a) { return a.name == architecture; });
  return row == kArchitectures.end() ? nullptr : &*row;
}

/// Is that the graph that `pack` embeds where it is given none? Nobody chose the dtype of its caches then.
bool is_usual(std::string_view text, const Model& model) try {
  const Architecture* row = row_of(model);
  return row && text == to_text(row->build(model, DType::f32));
} catch (const Error&) {  // the architecture's graph does not fit this package
  return false;
}

[[noreturn]] void no_graph(const Model& model, const std::string& architecture) {
  constexpr std::string_view describe =
      "give --graph F.oig, or describe the model in C++ and embed its graph with "
      "`openinfer pack`";
  if (!architecture.empty())
    fail(ErrorCode::not_found, "[graph] {} is a {}, and this command has no graph for that (it has {}): {}",
         model.path(), architecture, known_names(), describe);
  fail(ErrorCode::not_found,
       "[graph] {} carries no graph and names no architecture; this command knows {}: convert with --arch {}, {}",
       model.path(), known_names(), kArchitectures.front().name, describe);
}

}  // namespace

std::span<const Architecture> architectures() { return kArchitectures; }

ChosenGraph choose_graph(const Model& model, const GraphChoice& choice) {
  if (!choice.file.empty()) return from_text(read_graph(choice.file), "graph of " + choice.file, choice.kv_dtype);
  const DType kv_dtype = choice.kv_dtype.value_or(choice.usual_kv_dtype);
  for (const auto& [name, text] : model.graphs()) {
    if (name != "main") continue;
    if (kv_dtype != DType::f32 && is_usual(text, model))
      return {built(*row_of(model), model, kv_dtype), "graph of the package"};
    return from_text(parse_graph(text, "main.oig"), "graph of the package", choice.kv_dtype);
  }
  if (const Architecture* row = row_of(model))
    return {built(*row, model, kv_dtype), fmt::format("graph for {}", row->name)};
  no_graph(model, model.find_meta<std::string>("general.architecture").value_or(""));
}

}  // namespace openinfer::cli
