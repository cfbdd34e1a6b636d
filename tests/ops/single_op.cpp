// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/single_op.h"

#include <algorithm>
#include <cstring>

namespace openinfer::testing {
namespace {

TensorType type_of(const TensorView& view) { return {view.dtype, Shape(view.shape.begin(), view.shape.end())}; }

Extents extents_of(const Shape& shape) {
  Extents extents;
  for (const Dim& d : shape) extents.push_back(d.constant());
  return extents;
}

class Context final : public InferContext {
 public:
  explicit Context(const SingleOp& call) : call_(call) {
    for (const Operand& o : call.operands) types_.push_back(o.tensor ? type_of(o.view()) : TensorType{});
  }
  const OpDef& op() const override { return call_.op; }
  std::size_t operand_count() const override { return types_.size(); }
  bool has(std::size_t i) const override { return i < types_.size() && call_.operands[i].tensor; }
  const TensorType& type(std::size_t i) const override { return types_.at(i); }
  std::string describe(std::size_t i) const override { return "'" + std::string(call_.op.operands[i].name) + "'"; }
  const Attributes& attributes() const override { return call_.attributes; }
  const StateSpec& state() const override { return call_.state->spec; }
  Location at() const override { return {}; }
  std::pair<std::int64_t, std::int64_t> bounds(const Dim& d) const override { return {d.constant(), d.constant()}; }

 private:
  const SingleOp& call_;
  std::vector<TensorType> types_;
};

class Run final : public OpRun {
 public:
  Run(const SingleOp& call, const std::vector<TensorType>& types) : call_(call) {
    for (const TensorType& t : types) {
      results_.emplace_back(t.dtype, extents_of(t.shape));
      std::fill(results_.back().mutable_bytes().begin(), results_.back().mutable_bytes().end(), std::byte{0xa5});
    }
    if (call.state)
      for (Tensor& t : call.state->tensors) state_.push_back(t.span());
  }
  const OpDef& op() const override { return call_.op; }
  std::size_t operand_count() const override { return call_.operands.size(); }
  bool has(std::size_t i) const override { return i < call_.operands.size() && call_.operands[i].tensor; }
  TensorView in(std::size_t i) const override {
    TensorView view = call_.operands.at(i).view();
    if (op().operands[i].stored) view.data = nullptr;  // as a session gives it
    return view;
  }
  const std::byte* stored_rows(std::size_t i, std::int64_t first, std::int64_t count) const override {
    const Tensor& t = *call_.operands.at(i).tensor;
    const std::int64_t length = t.shape().empty() ? 1 : t.shape().back();
    const std::int64_t row = size_bytes(t.dtype(), length);
    if (first < 0 || count < 0 || (first + count) * row > static_cast<std::int64_t>(t.bytes().size()))
      fail(ErrorCode::internal, "stored rows outside the tensor");
    return t.bytes().data() + first * row;
  }
  TensorSpan out(std::size_t i) override { return results_.at(i).span(); }
  void set_view(std::size_t i, TensorView view) override {
    Tensor copy(view.dtype, view.shape);
    if (!copy.bytes().empty()) std::memcpy(copy.mutable_bytes().data(), view.data, copy.bytes().size());
    results_.at(i) = copy;
  }
  std::span<TensorSpan> state() override { return state_; }
  const Attributes& attributes() const override { return call_.attributes; }
  std::int64_t value(const Dim& d) const override { return d.constant(); }
  void parallel_for(std::int64_t n, std::int64_t grain,
                    const std::function<void(std::int64_t, std::int64_t)>& f) const override {
    if (grain < 1) fail(ErrorCode::internal, "a grain below 1");
    const std::int64_t step = call_.chunk > 0 ? call_.chunk : std::max<std::int64_t>(n, 1);
    for (std::int64_t begin = (n - 1) / step * step; n > 0 && begin >= 0; begin -= step)  // last range first
      f(begin, std::min(n, begin + step));
  }
  Location at() const override { return {}; }
  std::vector<Tensor>& results() { return results_; }

 private:
  const SingleOp& call_;
  std::vector<Tensor> results_;
  std::vector<TensorSpan> state_;
};

}  // namespace

TensorView Operand::view() const {
  TensorView view = tensor->view();
  view.transposed = transposed;
  if (transposed) std::swap(view.shape[view.shape.size() - 1], view.shape[view.shape.size() - 2]);
  return view;
}

TestState::TestState(StateSpec state_spec) : spec(std::move(state_spec)) {
  tensors.assign(spec.kind == StateSpec::Kind::kv_cache ? 2 : 1, Tensor(spec.dtype, extents_of(spec.shape)));
}

std::vector<Tensor> SingleOp::run() const {
  const Context context(*this);
  Run run(*this, op.infer(context));
  op.reference(run);
  return run.results();
}

Lowering SingleOp::lower() const {
  const Context context(*this);
  (void)op.infer(context);
  return op.lower(context);
}

}  // namespace openinfer::testing
