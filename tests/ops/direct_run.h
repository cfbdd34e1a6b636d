// SPDX-License-Identifier: Apache-2.0
// Runs the references of a flat graph (no loops, weights or states) directly, without a session: what tests of single
// operators need, and nothing that a session could get wrong.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lib/graph/ir.h"
#include "openinfer/sim.h"

namespace openinfer::testing {

/// One node on concrete tensors. `threads` cuts parallel_for into that many ranges, run one after the other.
class DirectRun final : public OpRun {
 public:
  DirectRun(const Node& node, std::vector<Tensor> operands, std::vector<Tensor> results,
            std::map<std::string, std::int64_t, std::less<>> dims, int ranges)
      : node_(node),
        operands_(std::move(operands)),
        results_(std::move(results)),
        dims_(std::move(dims)),
        ranges_(ranges) {}

  const OpDef& op() const override { return *node_.op; }
  std::size_t operand_count() const override { return operands_.size(); }
  bool has(std::size_t i) const override { return i < node_.operands.size() && node_.operands[i] != kNoValue; }
  TensorView in(std::size_t i) const override { return operands_.at(i).view(); }
  const std::byte* stored_rows(std::size_t i, std::int64_t first, std::int64_t count) const override;
  TensorSpan out(std::size_t i) override { return results_.at(i).span(); }
  void set_view(std::size_t, TensorView) override { fail(ErrorCode::unsupported, "has no state here"); }
  std::span<TensorSpan> state() override { fail(ErrorCode::unsupported, "has no state here"); }
  const Attributes& attributes() const override { return node_.attributes; }
  std::int64_t value(const Dim& dim) const override;
  void parallel_for(std::int64_t n, std::int64_t grain,
                    const std::function<void(std::int64_t, std::int64_t)>& f) const override;
  Location at() const override { return node_.at; }

  std::vector<Tensor>& results() { return results_; }

 private:
  const Node& node_;
  std::vector<Tensor> operands_, results_;
  std::map<std::string, std::int64_t, std::less<>> dims_;
  int ranges_;
};

using Tensors = std::map<std::string, Tensor, std::less<>>;

/// The graph's outputs for these inputs; symbols take their values from the inputs' shapes.
Tensors run_directly(const Graph& graph, const Tensors& inputs, int ranges = 1);

}  // namespace openinfer::testing
