// SPDX-License-Identifier: Apache-2.0
// A plan that keeps to a memory budget. Weights do not stay: what a product multiplies is read for it, tile after tile
// of its columns, into a few buffers that go round; of a table the rows are read that are looked up; what is small, as
// norms and biases, is resident. What is counted: states, arena, inputs, outputs, constants, resident weights, buffers,
// pages of rows that are looked up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/plan.h"
#include "openinfer/model.h"

namespace openinfer::plan {

/// What a page of memory is taken to be, and what files are read in pieces of.
inline constexpr std::int64_t kPageBytes = 4096;
/// Weights of one dispatch that can be streamed together; further ones are resident.
inline constexpr std::size_t kMostStreamed = 8;

using SymbolLimits = std::map<std::string, std::int64_t, std::less<>>;
/// Bounds of the symbols that inputs bind, with which the plan fits: EntrySpec::limits. `plan` is one that
/// run_passes went over. Errors: out_of_memory, with the smallest budget that works.
SymbolLimits fit_budget(const Plan& plan, const Model& model, std::int64_t budget);
/// Says for each dispatch how its weights come into memory, and what the whole takes: Plan::budget. Errors: as above,
/// if the plan does not fit as it is.
void stream_weights(Plan& plan, const Model& model, std::int64_t budget);

/// lower (lower.h) and the passes, with limits that keep to the budget; 0: there is none. A symbol that an entry fixes
/// stays fixed; the kernels are those of a plan without a budget. Errors: those of both; of a graph without a package
/// none are streamed.
Plan lower_within(
    const Graph& graph, PlanOptions options, std::int64_t budget,
    const std::function<void(Plan&)>& passes = [](Plan& plan) { run_passes(plan); });

/// Bytes of a weight's member that a tile of parts [from, to) reads: [first, first + count).
struct ByteRange {
  std::int64_t first = 0, count = 0;
};
ByteRange tile_range(const ColumnParts::Weight& weight, std::int64_t row_bytes, std::int64_t size_bytes,
                     std::int64_t from, std::int64_t to);
/// Bytes of a stored row; all of them where rows do not end on whole bytes.
std::int64_t stored_row_bytes(const TensorInfo& tensor);
/// What a range takes in a buffer: it is read by whole pages of the file.
std::int64_t buffer_bytes(std::int64_t range_bytes);

/// "streamed: Wq[l], Wk[l] in tiles of 12 of 60 parts, 62208 B"; empty where nothing is read for the dispatch.
std::string streaming_text(const Plan& plan, const Dispatch& d);

}  // namespace openinfer::plan
