// SPDX-License-Identifier: Apache-2.0
// The public face of a session.
#include "lib/sim/session.h"
#include "lib/passes/pipeline.h"

#include "lib/base/fail.h"
#include "lib/sim/nearest.h"

namespace openinfer {

const Tensor& Outputs::operator[](std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& [known, tensor] : tensors_) names.push_back(known);
  fail(ErrorCode::not_found, "[output] the step gave no '{}'{}", name, nearest_hint(name, names));
}

namespace {

/// Nothing runs a graph that did not pass the verifier, wherever it came from.
Graph verified(const Graph& graph) { return run_passes(graph, simulator_passes()).graph; }

}  // namespace

SimSession::SimSession(const Model& model, const Graph& graph, SimOptions options)
    : impl_(std::make_unique<Impl>(std::make_shared<const Program>(verified(graph), model), std::move(options))) {}

SimSession::SimSession(const Graph& graph, SimOptions options)
    : impl_(std::make_unique<Impl>(std::make_shared<const Program>(verified(graph), graph.data().model),
                                   std::move(options))) {}

SimSession::SimSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SimSession::~SimSession() = default;
SimSession::SimSession(SimSession&&) noexcept = default;
SimSession& SimSession::operator=(SimSession&&) noexcept = default;

Outputs SimSession::run_step(const Inputs& inputs, const std::vector<std::string>& wanted) {
  impl_->begin(inputs, wanted);
  return impl_->finish();
}

void SimSession::begin(const Inputs& inputs, const std::vector<std::string>& wanted) { impl_->begin(inputs, wanted); }

std::optional<SimSession::NodeRun> SimSession::next() {
  const NodeId node = impl_->next();
  if (node == kNoNode) return std::nullopt;
  return impl_->describe(node);
}

Outputs SimSession::finish() { return impl_->finish(); }

void SimSession::watch(std::string_view name, Watcher watcher) { impl_->watches_.add(name, std::move(watcher)); }
void SimSession::unwatch(std::string_view name) { impl_->watches_.remove(name); }

StateSnapshot SimSession::save() const { return impl_->states_.save(); }
void SimSession::restore(const StateSnapshot& snapshot) { impl_->states_.restore(snapshot); }
void SimSession::reset() { impl_->states_.reset(); }
SimSession SimSession::fork() const { return SimSession(impl_->fork()); }

void SimSession::trace(const std::string& path) {
  stop_trace();
  impl_->trace_ = std::make_unique<TraceWriter>(path);
}

void SimSession::stop_trace() {
  const auto trace = std::move(impl_->trace_);
  if (trace) trace->finish();
}

SimStats SimSession::stats() const {
  SimStats stats = impl_->stats_;
  stats.bytes_read = impl_->machine_.cells().bytes_read.load(std::memory_order_relaxed);
  stats.state_bytes = impl_->states_.size_bytes();
  return stats;
}

}  // namespace openinfer
