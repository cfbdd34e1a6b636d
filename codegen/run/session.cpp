// SPDX-License-Identifier: Apache-2.0
// SimSession(model, graph, backend): a session that hands its steps to a compiled graph.
#include "lib/sim/session.h"

#include <algorithm>
#include <utility>

#include "codegen/run/compiled_graph.h"
#include "lib/base/fail.h"

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
  StateSnapshot save() override {
    StateSnapshot snapshot;
    std::vector<Tensor> tensors = compiled_.save();
    std::size_t next = 0;
    for (const std::string& state : states()) {
      if (snapshot.states.empty() || snapshot.states.back().name != state) snapshot.states.push_back({state, {}});
      snapshot.states.back().tensors.push_back(std::move(tensors[next++]));
    }
    return snapshot;
  }
  void restore(const StateSnapshot& snapshot) override {
    const StateSnapshot own = save();
    std::vector<Tensor> tensors;
    for (const StateSnapshot::Entry& mine : own.states) {
      const auto given = std::find_if(snapshot.states.begin(), snapshot.states.end(),
                                      [&](const StateSnapshot::Entry& e) { return e.name == mine.name; });
      const bool fits =
          given != snapshot.states.end() && given->tensors.size() == mine.tensors.size() &&
          std::equal(mine.tensors.begin(), mine.tensors.end(), given->tensors.begin(),
                     [](const Tensor& a, const Tensor& b) { return a.dtype() == b.dtype() && a.shape() == b.shape(); });
      if (!fits)
        fail(ErrorCode::invalid_argument, "[sim] the snapshot's state '{}' is not of this session's dtype and shape",
             mine.name);
      tensors.insert(tensors.end(), given->tensors.begin(), given->tensors.end());
    }
    compiled_.restore(tensors);
  }
  std::unique_ptr<SessionExecutor> fork() override {
    auto other = std::make_unique<CompiledSession>(model_, graph_, backend_, options_);
    other->compiled_.restore(compiled_.save());
    return other;
  }

 private:
  /// Names of the graph's states, once for each of their tensors.
  std::vector<std::string> states() const {
    std::vector<std::string> names;
    for (const plan::Buffer& b : compiled_.plan().buffers)
      if (b.role == plan::Role::state) names.push_back(b.key);
    return names;
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
