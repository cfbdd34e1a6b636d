// SPDX-License-Identifier: Apache-2.0
// What a host program must know of a graph beyond its plan: which inputs are places in something else and how far that
// reaches, which tensors are only looked up, and which symbols size its caches.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "openinfer/graph.h"
#include "openinfer/location.h"

namespace openinfer::plan {

/// Each element of the input must be in [0, below): hosts look, and kernels take the nearest place that there is.
struct IndexBound {
  enum class Of { entries, positions, slots };
  Of of;
  std::string input;
  Dim below;
  std::string what;  // "entries of tok_embeddings", "positions of kv"
};

/// Attention whose rows have neither positions nor slots: row r attends to slot r, so there are at most as many rows.
/// Plans whose slots are a number keep their rows to it; where they are not, hosts look.
struct RowBound {
  Dim rows, slots;
  Location at;
};

/// An extent of which a kernel takes elements whatever there is: the largest of an axis, entries of a table by ids that
/// hosts do not see. Entry points keep its symbol high enough: asked of the user's graph, since what operators are made
/// of may look at nothing where nothing is asked for.
struct ExtentBound {
  Dim extent;
  std::int64_t least;
  std::string what;  // "[reduce_max] the largest of"
  Location at;
};

/// The graph's caches by position. What is cached of an encoder's source has positions of its own: that it has slots
/// is all that is told of it.
struct Caches {
  std::vector<Dim> contexts, slots;          // capacities, and how many sequences: the least of each is what there is
  std::string context_symbol, slots_symbol;  // the first that is a symbol; empty: fixed, or no cache
};
inline constexpr std::string_view kSourceCache = "cross_kv";

struct GraphFacts {
  std::vector<IndexBound> index_bounds;
  std::vector<RowBound> row_bounds;
  std::vector<std::string> looked_up;  // patterns of weights of which a step reads a few rows
  Caches caches;
};

GraphFacts graph_facts(const Graph& graph);
std::vector<RowBound> row_bounds(const GraphData& graph);
/// Errors: invalid_argument for a constant id below 0.
std::vector<ExtentBound> extent_bounds(const GraphData& graph);
Caches caches(const GraphData& graph);

}  // namespace openinfer::plan
