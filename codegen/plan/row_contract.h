// SPDX-License-Identifier: Apache-2.0
// Graphs that take rows: inputs tok, pos, slot i32[N] and rows i32[R], output logits f32[R, vocab] (pos and slot may be
// absent, as in a graph without a cache). An encoder-decoder also has source i32[S], source_slot i32[], source_end
// i32[N] and a cache named cross_kv (openinfer/models/t5.h). Entry points and how `run` drives a graph hang on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "openinfer/graph.h"

namespace openinfer::plan {

/// What the graph says of its rows.
struct RowContract {
  std::int64_t max_rows = 0;           // bound of N
  std::int64_t max_logit_rows = 0;     // bound of R
  std::int64_t vocab_size = 0;         // columns of logits
  std::int64_t max_context = 0;        // bound of the caches' capacity
  std::string rows_symbol = {};        // N
  std::string logit_rows_symbol = {};  // R
  std::string context_symbol = {};     // empty: the capacity is fixed, or there is no cache
  std::string slots_symbol = {};       // empty: fixed
  bool caches_only = true;             // every state is a cache by position, so that a prefix can be kept
  bool has_pos = false;
  bool has_slot = false;
  bool has_source = false;                  // an encoder-decoder
  std::int64_t max_source = 0;              // bound of S and of what cross_kv holds
  std::string source_capacity_symbol = {};  // empty: fixed
};

/// Nothing for a graph that takes something else.
std::optional<RowContract> row_contract(const Graph& graph);
/// The part of it that the caches alone tell: of any graph.
void read_states(const Graph& graph, RowContract& contract);

}  // namespace openinfer::plan
