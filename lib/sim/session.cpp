// SPDX-License-Identifier: Apache-2.0
// The public face of a session.
#include "lib/sim/session.h"
#include "lib/passes/pipeline.h"

#include "lib/base/fail.h"
#include "lib/base/nearest.h"
#include "lib/sim/state_file.h"

namespace openinfer {

const Tensor& Outputs::operator[](Model::Key name) const {
  const auto found = tensors_.find(name.text);
  if (found != tensors_.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& [known, tensor] : tensors_) names.push_back(known);
  fail_at(name.at, ErrorCode::not_found, "[output] the step gave no '{}'{}", name.text, nearest_hint(name.text, names));
}

/// Nothing runs a graph that did not pass the verifier, wherever it came from.
std::unique_ptr<SimSession::Impl> SimSession::make(const Model* model, const Graph& graph, SimOptions options) {
  if (options.numerics != Numerics::strict)
    fail(ErrorCode::unsupported, "[sim] the simulator is the reference: numerics {} is of compiled backends",
         name(options.numerics));
  Graph verified = run_passes(graph, simulator_passes()).graph;
  const auto weights = model ? std::optional(*model) : verified.data().model;
  return std::make_unique<Impl>(std::make_shared<const Program>(std::move(verified), weights), std::move(options));
}

SimSession::SimSession(const Model& model, const Graph& graph, SimOptions options, At at)
    : impl_(located(at, [&] { return make(&model, graph, std::move(options)); })) {}

SimSession::SimSession(const Graph& graph, SimOptions options, At at)
    : impl_(located(at, [&] { return make(nullptr, graph, std::move(options)); })) {}

SimSession::SimSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SimSession::~SimSession() = default;
SimSession::SimSession(SimSession&&) noexcept = default;
SimSession& SimSession::operator=(SimSession&&) noexcept = default;

Outputs SimSession::run_step(const Inputs& inputs, const std::vector<std::string>& wanted, At at) {
  if (impl_->compiled_) return located(at, [&] { return impl_->run_compiled(inputs, wanted); });
  begin(inputs, wanted, at);
  return finish(at);
}

void SimSession::prefer(std::string_view entry) {
  if (impl_->compiled_) impl_->compiled_->prefer(entry);
}

void SimSession::begin(const Inputs& inputs, const std::vector<std::string>& wanted, At at) {
  located(at, [&] {
    impl_->only_simulated("begin");
    impl_->begin(inputs, wanted);
  });
}

std::optional<SimSession::NodeRun> SimSession::next(At at) {
  const NodeId node = located(at, [&] {
    impl_->only_simulated("next");
    return impl_->next();
  });
  if (node == kNoNode) return std::nullopt;
  return impl_->describe(node);
}

Outputs SimSession::finish(At at) {
  return located(at, [&] {
    impl_->only_simulated("finish");
    return impl_->finish();
  });
}

void SimSession::watch(std::string_view name, Watcher watcher, At at) {
  located(at, [&] {
    impl_->only_simulated("watch");
    impl_->watches_.add(name, std::move(watcher));
  });
}
void SimSession::unwatch(std::string_view name, At at) {
  located(at, [&] { impl_->watches_.remove(name); });
}

StateSnapshot SimSession::save(At at) const {
  return located(at, [&] {
    impl_->not_of_a_watcher("save");
    return impl_->compiled_ ? impl_->compiled_->save() : impl_->states_.save();
  });
}
void SimSession::restore(const StateSnapshot& snapshot, At at) {
  located(at, [&] {
    impl_->not_of_a_watcher("restore");
    impl_->compiled_ ? impl_->compiled_->restore(snapshot) : impl_->states_.restore(snapshot);
  });
}
void SimSession::save_state(const std::string& path, std::string_view note, At at) const {
  located(at, [&] {
    const Program& program = *impl_->program_;
    impl_->between_steps("save_state");
    write_state_file(path, state_owner(program.model, program.g()), program.g(), save(at), note);
  });
}
std::string SimSession::load_state(const std::string& path, At at) {
  return located(at, [&] {
    const Program& program = *impl_->program_;
    impl_->between_steps("load_state");
    const StateFile file = read_state_file(path);
    check_owner(path, file.owner, state_owner(program.model, program.g()));
    restore(fit_states(path, file, program.g(), save(at)), at);
    return file.note;
  });
}
std::string SimSession::state_note(const std::string& path, At at) {
  return located(at, [&] { return read_state_file(path).note; });
}
std::string SimSession::state_note(const std::string& path, const Model& model, const Graph& graph, At at) {
  return located(at, [&] {
    StateFile file = read_state_file(path);
    check_owner(path, file.owner, state_owner(model, run_passes(graph, simulator_passes()).graph.data()));
    return std::move(file.note);
  });
}
std::string SimSession::device() const { return impl_->compiled_ ? impl_->compiled_->device() : ""; }
std::string SimSession::plan() const { return impl_->compiled_ ? impl_->compiled_->plan() : ""; }
std::vector<std::string> SimSession::remarks() const {
  return impl_->compiled_ ? impl_->compiled_->remarks() : std::vector<std::string>();
}

void SimSession::reset(At at) {
  located(at, [&] {
    impl_->not_of_a_watcher("reset");
    impl_->compiled_ ? impl_->compiled_->reset() : impl_->states_.reset();
  });
}
SimSession SimSession::fork(At at) const {
  return located(at, [&] {
    impl_->between_steps("fork");
    return SimSession(impl_->fork());
  });
}

void SimSession::trace(const std::string& path, At at) {
  stop_trace(at);
  located(at, [&] {
    impl_->only_simulated("trace");
    if (const auto& model = impl_->program_->model; model && model->is_file_of(path))
      fail(ErrorCode::invalid_argument, "[trace] {}: is a file of the package", path);
    impl_->trace_ = std::make_unique<TraceWriter>(path);
  });
}

void SimSession::stop_trace(At at) {
  const auto trace = std::move(impl_->trace_);
  if (trace) located(at, [&] { trace->finish(); });
}

std::map<std::string, std::int64_t> SimSession::limits() const { return impl_->limits(); }

SimStats SimSession::stats() const {
  SimStats stats = impl_->stats_;
  if (!impl_->compiled_) stats.bytes_read = impl_->machine_.cells().bytes_read.load(std::memory_order_relaxed);
  stats.state_bytes = impl_->states_.size_bytes();
  return stats;
}

}  // namespace openinfer
