// SPDX-License-Identifier: Apache-2.0
// SimSession(model, graph, backend): a session that hands its steps to a compiled graph.
#include "lib/sim/session.h"

#include <map>
#include <utility>
#include <vector>

#include "codegen/plan/print.h"
#include "codegen/run/compiled_graph.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"
#include "lib/sim/state_store.h"

namespace openinfer {
namespace {

/// States are what the simulator's are: those that inputs size have no contents before the first step, and those that
/// no step reads or writes keep what they are given.
class CompiledSession final : public SessionExecutor {
 public:
  CompiledSession(const Model& model, const Graph& graph, Backend backend, run::RunOptions options)
      : model_(model),
        graph_(graph),
        backend_(backend),
        options_(std::move(options)),
        compiled_(model_, graph_, backend, options_) {
    for (const StateDecl& state : graph_.data().states) states_.push_back(state_of(state));
  }

  Backend backend() const override { return backend_; }
  std::string device() const override { return compiled_.device().name; }
  std::string plan() const override { return plan::to_text(compiled_.plan()); }
  std::vector<std::string> remarks() const override { return compiled_.plan().remarks; }
  Outputs step(const Inputs& inputs) override {
    Outputs outputs = compiled_.step(inputs);
    for (State& s : states_) s.sized = true;
    return outputs;
  }
  void prefer(std::string_view entry) override { compiled_.prefer(entry); }
  void reset() override {
    compiled_.reset();
    for (State& s : states_) s.zero_unused();
  }
  std::uint64_t bytes_read() const override { return compiled_.bytes_read(); }
  std::map<std::string, std::int64_t> limits() const override {
    std::map<std::string, std::int64_t> most;
    for (const DimDecl& d : graph_.data().dims)
      if (waits_for_inputs(d.name)) most.emplace(d.name, compiled_.limit(d.name));
    return most;
  }
  StateSnapshot save() override {
    const std::vector<Tensor> tensors = compiled_.save();
    StateSnapshot snapshot;
    for (const State& s : states_) {
      snapshot.states.push_back({s.name, {}});
      for (std::size_t i = 0; s.sized && i < s.buffers.size(); ++i)
        snapshot.states.back().tensors.push_back(s.buffers[i] == kUnused ? s.unused.at(i) : tensors[s.buffers[i]]);
    }
    return snapshot;
  }
  void restore(const StateSnapshot& snapshot) override {
    std::vector<StateTypes> own;
    for (const State& s : states_) {
      own.push_back({s.name});
      if (s.sized) own.back().tensors.assign(s.buffers.size(), {s.dtype, s.shape});
    }
    check_snapshot(own, snapshot);
    std::map<std::size_t, Tensor> given;  // by the plan's states
    for (std::size_t number = 0; number < states_.size(); ++number) {
      State& s = states_[number];
      const std::vector<Tensor>& from = snapshot.states[number].tensors;
      for (std::size_t i = 0; i < s.buffers.size(); ++i) {
        const Tensor contents = from.empty() ? Tensor(s.dtype, s.shape, Location{}) : from[i];
        s.buffers[i] == kUnused ? s.unused.insert_or_assign(i, contents)
                                : given.insert_or_assign(s.buffers[i], contents);
      }
    }
    std::vector<Tensor> tensors;
    for (auto& [b, tensor] : given) tensors.push_back(std::move(tensor));
    compiled_.restore(tensors);
  }
  std::unique_ptr<SessionExecutor> fork() override {
    auto other = std::make_unique<CompiledSession>(model_, graph_, backend_, options_);
    other->compiled_.restore(compiled_.save());
    other->states_ = states_;
    return other;
  }

 private:
  static constexpr std::size_t kUnused = ~std::size_t{0};
  struct State {
    std::string name;
    DType dtype = DType::f32;
    Extents shape = {};
    std::vector<std::size_t> buffers = {};      // its tensors among the plan's states; kUnused: no step needs it
    std::map<std::size_t, Tensor> unused = {};  // contents of those
    bool sized = false;                         // does the session know its size?

    void zero_unused() {
      for (std::size_t i = 0; i < buffers.size(); ++i)
        if (buffers[i] == kUnused) unused.insert_or_assign(i, Tensor(dtype, shape, Location{}));
    }
  };

  State state_of(const StateDecl& decl) const {
    State state = {.name = decl.name, .dtype = decl.spec.dtype};
    const bool cache = decl.spec.kind == StateSpec::Kind::kv_cache;
    for (const char* part : cache ? std::vector{".keys", ".values"} : std::vector{""})
      state.buffers.push_back(buffer_of(decl.name + part));
    state.sized = true;
    for (const Dim& d : decl.spec.shape) {
      state.shape.push_back(plan::Size(d).value([&](std::string_view symbol) { return size_of(symbol); }));
      for (const Dim::Term& t : d.terms()) state.sized = state.sized && !waits_for_inputs(t.symbol);
    }
    state.zero_unused();
    return state;
  }
  std::size_t buffer_of(const std::string& key) const {
    std::size_t number = 0;
    for (const plan::Buffer& b : compiled_.plan().buffers) {
      if (b.role != plan::Role::state) continue;
      if (b.key == key) return number;
      ++number;
    }
    return kUnused;
  }
  /// What the plan's memory is made for.
  std::int64_t size_of(std::string_view symbol) const {
    if (const auto given = options_.dims.find(symbol); given != options_.dims.end()) return given->second;
    for (const DimDecl& d : graph_.data().dims)
      if (d.name == symbol) return d.max;
    fail(ErrorCode::internal, "[run] the graph has no dimension '{}'", symbol);
  }
  bool waits_for_inputs(std::string_view symbol) const {
    if (options_.dims.contains(symbol)) return false;
    for (const auto& [name, type] : graph_.inputs())
      for (const Dim& d : type.shape)
        for (const Dim::Term& t : d.terms())
          if (t.symbol == symbol) return true;
    return false;
  }

  Model model_;
  Graph graph_;
  Backend backend_;
  run::RunOptions options_;
  run::CompiledGraph compiled_;
  std::vector<State> states_;
};

}  // namespace

SimSession::SimSession(const Model& model, const Graph& graph, Backend backend, SimOptions options, At at)
    : impl_(located(at, [&] {
        SimOptions simulated = options;
        if (backend != Backend::sim) simulated.memory_budget = 0;
        if (backend != Backend::sim) simulated.numerics = Numerics::strict;  // it holds the states and the names
        return make(&model, graph, std::move(simulated));
      })) {
  if (backend == Backend::sim) return;
  located(at, [&] {
    if (options.find_nonfinite) {
      fail(ErrorCode::unsupported, "[sim] find_nonfinite looks into the simulator; give Backend::sim");
    }
    impl_->compiled_ =
        std::make_unique<CompiledSession>(model, graph, backend,
                                          run::RunOptions{.threads = options.threads,
                                                          .gpu = options.gpu,
                                                          .dims = run::Sizes(options.dims.begin(), options.dims.end()),
                                                          .numerics = options.numerics,
                                                          .memory_budget = options.memory_budget,
                                                          .on_compile = options.on_compile});
  });
}

}  // namespace openinfer
