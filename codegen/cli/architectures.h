// SPDX-License-Identifier: Apache-2.0
// Which graph describes a package: the user's file, the one that the package carries, or the one that is known for
// its `general.architecture`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "openinfer/graph.h"

namespace openinfer::cli {

struct Architecture {
  std::string_view name;  // general.architecture
  Graph (*build)(const Model& model, DType kv_dtype);
};
std::span<const Architecture> architectures();

struct GraphChoice {
  std::string file = {};               // --graph
  std::optional<DType> kv_dtype = {};  // --kv-dtype
  DType usual_kv_dtype = DType::f32;   // without it, of graphs from the table
};

struct ChosenGraph {
  Graph graph;
  std::string origin;  // for people: "llama graph of the architecture table"
};

/// The file if one is given, else the package's graph `main`, else the architecture's.
/// Errors: those of parse_graph and of the architecture's builder; not_found, with what to do, if none of the three
/// is there; invalid_argument if kv_dtype is not what a graph text says.
ChosenGraph choose_graph(const Model& model, const GraphChoice& choice);

}  // namespace openinfer::cli
