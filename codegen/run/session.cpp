// SPDX-License-Identifier: Apache-2.0
// SimSession(model, graph, backend): a session that hands its steps to a compiled graph.
#include "lib/sim/session.h"

#include <utility>

#include "codegen/run/compiled_graph.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"

namespace openinfer {
namespace {

class CompiledSession final : public SessionExecutor {
 public:
  CompiledSession(const Model& model, const Graph& graph, Backend backend, run::RunOptions options)
      : model_(model),
        graph_(graph),
        backend_(backend),
        options_(std::move(options)),
        compiled_(model_, graph_, backend, options_) {}

  Backend backend() const override { return backend_; }
  Outputs step(const Inputs& inputs) override { return compiled_.step(inputs); }
  void reset() override { compiled_.reset(); }
  std::uint64_t bytes_read() const override { return compiled_.bytes_read(); }
  StateSnapshot save() override {
    const std::vector<Tensor> tensors = compiled_.save();
    StateSnapshot snapshot;
    for (const StateDecl& state : graph_.data().states) {
      snapshot.states.push_back({state.name, {}});
      for (const std::size_t i : buffers_of(state)) snapshot.states.back().tensors.push_back(tensors[i]);
    }
    return snapshot;
  }
  void restore(const StateSnapshot& snapshot) override {
    std::vector<Tensor> tensors = compiled_.save();
    const std::vector<StateDecl>& states = graph_.data().states;
    for (std::size_t s = 0; s < states.size(); ++s) {
      const std::vector<std::size_t> own = buffers_of(states[s]);
      bool fits = s < snapshot.states.size() && snapshot.states[s].name == states[s].name &&
                  snapshot.states[s].tensors.size() == own.size();
      for (std::size_t i = 0; fits && i < own.size(); ++i) {
        const Tensor &mine = tensors[own[i]], &given = snapshot.states[s].tensors[i];
        fits = mine.dtype() == given.dtype() && mine.shape() == given.shape();
        if (fits) tensors[own[i]] = given;
      }
      if (!fits)
        fail(ErrorCode::invalid_argument, "[restore] the snapshot's ${} is not of this session's dtype and shape",
             states[s].name);
    }
    compiled_.restore(tensors);
  }
  std::unique_ptr<SessionExecutor> fork() override {
    auto other = std::make_unique<CompiledSession>(model_, graph_, backend_, options_);
    other->compiled_.restore(compiled_.save());
    return other;
  }

 private:
  /// Which of the plan's states are that one; none if no step needs it.
  std::vector<std::size_t> buffers_of(const StateDecl& state) const {
    std::vector<std::size_t> all;
    std::size_t number = 0;
    for (const plan::Buffer& b : compiled_.plan().buffers) {
      if (b.role != plan::Role::state) continue;
      if (b.key == state.name || b.key == state.name + ".keys" || b.key == state.name + ".values")
        all.push_back(number);
      ++number;
    }
    return all;
  }

  Model model_;
  Graph graph_;
  Backend backend_;
  run::RunOptions options_;
  run::CompiledGraph compiled_;
};

}  // namespace

SimSession::SimSession(const Model& model, const Graph& graph, Backend backend, SimOptions options, At at)
    : impl_(located(at, [&] { return make(&model, graph, options); })) {
  if (backend == Backend::sim) return;
  located(at, [&] {
    if (options.find_nonfinite) {
      fail(ErrorCode::unsupported, "[sim] find_nonfinite looks into the simulator; give Backend::sim");
    }
    impl_->compiled_ = std::make_unique<CompiledSession>(
        model, graph, backend,
        run::RunOptions{.threads = options.threads,
                        .gpu = options.gpu,
                        .dims = run::Sizes(options.dims.begin(), options.dims.end())});
  });
}

}  // namespace openinfer
