// SPDX-License-Identifier: Apache-2.0
// What a plan costs before anything runs: bytes and operations of each dispatch with every symbol at its bound, the
// memory of the whole, and how long the device's peaks let it take (the roofline: Williams, Waterman, Patterson 2009).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codegen/plan/plan.h"
#include "openinfer/model.h"

namespace openinfer::plan {

/// What the device does at most: 10^9 bytes, operations in a second. A product of 8-bit activations has int8's, one of
/// bf16 its own, else half of int8's, if known.
struct Peaks {
  std::optional<double> read_gb_per_s = {}, f32_gflop_per_s = {}, bf16_gflop_per_s = {}, int8_gop_per_s = {};
};

enum class Limit : std::uint8_t { unknown, memory, compute };
std::string_view name(Limit limit);

struct NodeCost {
  int number = 0;                      // as plan.txt numbers dispatches and copies
  std::string kernel;                  // "copy" of a copy; of a family with several dtypes the first
  Origin origin;                       // bytes and flops of one time
  std::int64_t times = 1;              // turns of the loops around
  bool in_branch = false;              // one side of an if: entries count the dearer one
  std::optional<double> seconds = {};  // of all times, at the peaks
  Limit limit = Limit::unknown;
};

struct EntryCost {
  std::string name;
  std::vector<Symbol> symbols = {};
  std::vector<NodeCost> nodes = {};
  double bytes = 0, flops = 0;
  std::optional<double> seconds = {};  // nodes one after the other
};

/// Bytes that are held at once. Under a budget: what of it is taken, weights as far as they are resident or in buffers.
struct MemoryCost {
  std::int64_t weights = 0, constants = 0, states = 0, values = 0;  // values: arena, inputs, outputs
  std::int64_t total() const { return weights + constants + states + values; }
};

struct Cost {
  MemoryCost memory;
  std::vector<EntryCost> entries = {};
};

/// Of a plan that the passes went over (pipeline.h), or that keeps to a budget (budget.h).
Cost cost_of(const Plan& plan, const Model& model, const Peaks& peaks);

}  // namespace openinfer::plan
