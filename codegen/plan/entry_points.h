// SPDX-License-Identifier: Apache-2.0
// The ways into a graph that a compiled program gets: what `emit` writes, `cost` reckons and a session runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/plan/lower.h"
#include "openinfer/graph.h"

namespace openinfer::plan {

struct EntryOptions {
  std::optional<std::int64_t> max_context = {}, batch = {};
  bool one_sequence = false;                       // without a batch: caches of one, not of as many as the graph allows
  std::vector<EntrySpec> entries = {};             // the ways in themselves, narrowed by the sizes above
  std::optional<std::int64_t> prefill_rows = 512;  // at most; none: as many as the graph allows
  /// Of symbols. One that is outside of the graph's bounds is left to who binds it, and refuses it.
  std::map<std::string, std::int64_t, std::less<>> at_most = {};
};

/// The given ones, else decode (one row, or one for each sequence of a batch) and prefill (of many) for graphs that
/// take rows (of encoder-decoders the decoder's: either takes a source), else one way in, "step". Errors:
/// invalid_argument, in the words of `command`, for sizes that the graph does not allow.
std::vector<EntrySpec> entry_points(const Graph& graph, const EntryOptions& options, std::string_view command);

}  // namespace openinfer::plan
