// SPDX-License-Identifier: Apache-2.0
#include "lib/passes/constant_run.h"

#include <fmt/format.h>

#include <cstring>

#include "lib/base/fail.h"
#include "lib/base/number.h"

namespace openinfer {
namespace {

class ConstantRun final : public OpRun {
 public:
  ConstantRun(const Node& node, const std::vector<std::optional<Tensor>>& operands, std::vector<Tensor>& results)
      : node_(node), operands_(operands), results_(results) {}

  const OpDef& op() const override { return *node_.op; }
  std::size_t operand_count() const override { return operands_.size(); }
  bool has(std::size_t i) const override { return i < operands_.size() && operands_[i]; }
  TensorView in(std::size_t i) const override { return operand(i).view(); }
  const std::byte* stored_rows(std::size_t i, std::int64_t first, std::int64_t) const override {
    const Tensor& t = operand(i);
    return t.bytes().data() + first * size_bytes(t.dtype(), t.shape().empty() ? 1 : t.shape().back());
  }
  TensorSpan out(std::size_t i) override { return results_.at(i).span(); }
  void set_view(std::size_t i, TensorView view) override {
    Tensor copy(view.dtype, view.shape);
    if (const auto to = copy.mutable_bytes(); !to.empty()) std::memcpy(to.data(), view.data, to.size());
    results_.at(i) = std::move(copy);
  }
  std::span<TensorSpan> state() override { fail(ErrorCode::internal, "has no state"); }
  const Attributes& attributes() const override { return node_.attributes; }
  std::int64_t value(const Dim& dim) const override {
    if (!dim.is_constant()) fail(ErrorCode::unsupported, "needs " + dim.to_string());
    return dim.constant();
  }
  void parallel_for(std::int64_t n, std::int64_t,
                    const std::function<void(std::int64_t, std::int64_t)>& f) const override {
    if (n > 0) f(0, n);
  }
  Location at() const override { return node_.at; }

 private:
  const Tensor& operand(std::size_t i) const {
    if (!has(i)) fail(ErrorCode::internal, fmt::format("operand {} is absent", i));
    return *operands_[i];
  }

  const Node& node_;
  const std::vector<std::optional<Tensor>>& operands_;
  std::vector<Tensor>& results_;
};

std::optional<std::vector<Tensor>> allocate(const GraphData& g, const Node& node, std::int64_t limit_bytes) {
  std::vector<Tensor> results;
  for (ValueId v : node.results) {
    const auto extents = fixed_extents(g.values[v].type.shape);
    if (!extents) return std::nullopt;
    const std::int64_t bytes = size_bytes(g.values[v].type.dtype, element_count(*extents));
    if (bytes > limit_bytes) return std::nullopt;
    limit_bytes -= bytes;
    results.emplace_back(g.values[v].type.dtype, *extents);
  }
  return results;
}

}  // namespace

std::optional<Extents> fixed_extents(const Shape& shape) {
  Extents extents;
  for (const Dim& d : shape) {
    if (!d.is_constant()) return std::nullopt;
    extents.push_back(d.constant());
  }
  return extents;
}

std::optional<std::vector<Tensor>> run_on_constants(const GraphData& g, const Node& node,
                                                    const std::vector<std::optional<Tensor>>& operands,
                                                    std::int64_t limit_bytes) {
  if (node.op->traits.state != StateUse::none || !node.op->reference) return std::nullopt;
  try {
    auto results = allocate(g, node, limit_bytes);
    if (!results) return std::nullopt;
    ConstantRun run(node, operands, *results);
    node.op->reference(run);
    return results;
  } catch (const Error& e) {
    if (e.code() == ErrorCode::internal) throw;
    return std::nullopt;
  }
}

std::optional<Tensor> leaf_tensor(const GraphData& g, const Node& leaf) {
  if (leaf.op == &literal_op()) {
    Tensor tensor(g.values[leaf.results[0]].type.dtype, Extents{});
    if (!store_number(leaf.literal, tensor.dtype(), tensor.mutable_bytes().data())) return std::nullopt;
    return tensor;
  }
  if (leaf.op != &constant_op() || !leaf.operands.empty()) return std::nullopt;
  const Tensor& whole = g.constants[static_cast<std::size_t>(leaf.decl)].tensor;
  if (leaf.index.empty()) return whole;
  Tensor entry(whole.dtype(), {whole.shape().begin() + 1, whole.shape().end()});
  const auto bytes = entry.bytes().size();
  if (bytes > 0)
    std::memcpy(entry.mutable_bytes().data(),
                whole.bytes().data() + static_cast<std::size_t>(leaf.index[0].offset) * bytes, bytes);
  return entry;
}

}  // namespace openinfer
