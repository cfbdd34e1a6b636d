// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <new>
#include <stdexcept>

#include "lib/base/fail.h"
#include "lib/base/nearest.h"
#include "lib/sim/inputs.h"
#include "lib/sim/nonfinite.h"
#include "lib/sim/session.h"

namespace openinfer {
namespace {

/// Set while a step is at work, so that a watcher that asks for another one gets an Error.
class Inside {
 public:
  explicit Inside(bool& flag) : flag_(flag) { flag_ = true; }
  ~Inside() { flag_ = false; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool& flag_;
};

}  // namespace

SimSession::Impl::Impl(std::shared_ptr<const Program> program, SimOptions options)
    : program_(std::move(program)),
      options_(std::move(options)),
      binding_(program_->g(), options_.dims),
      states_(program_->g()),
      pool_(options_.threads),
      budget_(options_.memory_budget == 0
                  ? nullptr
                  : std::make_unique<Budget>(program_, options_.dims, options_.memory_budget, pool_.threads())),
      machine_(program_, states_, binding_, pool_, budget_.get()),
      watches_(program_->g()) {
  states_.allocate(binding_);
}

std::unique_ptr<SimSession::Impl> SimSession::Impl::fork() const {
  auto copy = std::make_unique<Impl>(program_, options_);
  if (compiled_) {
    copy->compiled_ = compiled_->fork();
    return copy;
  }
  copy->binding_.take_fixed(binding_);
  copy->states_.copy_from(states_);
  return copy;
}

std::map<std::string, std::int64_t> SimSession::Impl::limits() const {
  if (budget_) return budget_->limits();
  if (compiled_) return compiled_->limits();
  std::map<std::string, std::int64_t> limits;
  for (std::size_t i = 0; i < program_->g().dims.size(); ++i)
    if (!binding_.is_fixed(i)) limits.emplace(program_->g().dims[i].name, program_->g().dims[i].max);
  return limits;
}

void SimSession::Impl::only_simulated(std::string_view what) const {
  if (compiled_)
    fail(ErrorCode::unsupported, "[sim] {} looks into the simulator; this session runs compiled (backend {})", what,
         name(compiled_->backend()));
}

void SimSession::Impl::not_of_a_watcher(std::string_view what) const {
  if (inside_) fail(ErrorCode::invalid_argument, "[sim] a watcher cannot {} the session that calls it", what);
}

void SimSession::Impl::between_steps(std::string_view what) const {
  not_of_a_watcher(what);
  if (stepping_)
    fail(ErrorCode::invalid_argument,
         "[sim] {} in the middle of a step, whose states are half written: call finish first", what);
}

Outputs SimSession::Impl::run_compiled(const Inputs& inputs, const std::vector<std::string>& wanted) {
  find_outputs(wanted);  // are there such?
  const GraphData& g = program_->g();
  const std::vector<std::optional<Tensor>> taken = take_inputs(g, binding_, inputs);
  Inputs tensors;
  for (std::size_t i = 0; i < taken.size(); ++i)
    if (taken[i]) tensors.emplace_back(g.inputs[i], *taken[i]);
  const Outputs all = compiled_->step(tensors);
  ++stats_.steps;
  stats_.bytes_read = compiled_->bytes_read();
  if (wanted.empty()) return all;
  Outputs some;
  for (const std::string& name : wanted) some.set(name, all.all().find(name)->second);
  return some;
}

void SimSession::Impl::begin(const Inputs& inputs, const std::vector<std::string>& wanted) {
  if (inside_) fail(ErrorCode::invalid_argument, "[sim] a watcher cannot begin a step of the session that calls it");
  const Inside guard(inside_);
  stepping_ = false;
  machine_.end();
  wanted_ = find_outputs(wanted);
  const auto watched = watches_.table();
  auto tensors = take_inputs(program_->g(), binding_, inputs);
  const auto steps = schedule(wanted_, *watched);
  if (budget_) budget_->check(steps, binding_);
  states_.allocate(binding_);
  machine_.begin(steps, std::move(tensors), listener(watched));
  stepping_ = true;
}

std::vector<std::size_t> SimSession::Impl::find_outputs(const std::vector<std::string>& wanted) const {
  const auto& outputs = program_->g().outputs;
  std::vector<std::size_t> found;
  if (wanted.empty())
    for (std::size_t i = 0; i < outputs.size(); ++i) found.push_back(i);
  for (const std::string& name : wanted) {
    const auto output =
        std::find_if(outputs.begin(), outputs.end(), [&](const OutputDecl& o) { return o.name == name; });
    if (output == outputs.end()) {
      std::vector<std::string_view> names;
      for (const OutputDecl& o : outputs) names.push_back(o.name);
      fail(ErrorCode::not_found, "[output] the graph has no output '{}'{}", name, nearest_hint(name, names));
    }
    found.push_back(static_cast<std::size_t>(output - outputs.begin()));
  }
  return found;
}

std::shared_ptr<const Schedule> SimSession::Impl::schedule(const std::vector<std::size_t>& outputs,
                                                           const Watches::Table& watched) {
  ScheduleKey key;
  for (std::size_t i : outputs) key.first.push_back(program_->g().outputs[i].value);
  for (const auto& [value, watcher] : watched) key.second.push_back(value);
  auto& made = schedules_[key];
  if (!made) made = std::make_shared<const Schedule>(make_schedule(program_->g(), key.first, key.second));
  return made;
}

Machine::Listener SimSession::Impl::listener(std::shared_ptr<const Watches::Table> watched) {
  Machine::Listener listener;
  listener.before = [this](NodeId node) {
    running_ = node;
    if (trace_) node_start_ = TraceWriter::Clock::now();
  };
  listener.after = [this](NodeId node) { ran(node); };
  if (!watched->empty())
    listener.made = [this, watched = std::move(watched)](ValueId v, std::string_view op, Location at) {
      call_watchers(*watched, v, op, at);
    };
  return listener;
}

void SimSession::Impl::call_watchers(const Watches::Table& watched, ValueId v, std::string_view op, Location at) {
  const auto by_value = [](const auto& entry, ValueId value) { return entry.first < value; };
  auto entry = std::lower_bound(watched.begin(), watched.end(), v, by_value);
  for (; entry != watched.end() && entry->first == v; ++entry)
    entry->second({program_->g().values[v].name, op, at, machine_.indices(), machine_.cells().dense(v)});
}

void SimSession::Impl::ran(NodeId id) {
  const Node& node = program_->g().nodes[id];
  ++stats_.nodes_run;
  if (trace_) {
    const auto end = TraceWriter::Clock::now();
    const ValueId first = node.results.empty() ? kNoValue : node.results[0];
    const std::string_view name = first == kNoValue ? std::string_view{} : program_->g().values[first].name;
    trace_->add({name, node.op->name, node_start_, end, machine_.where(), node.at.to_string()});
  }
  if (options_.find_nonfinite) check_finite(node);
  running_ = kNoNode;
}

void SimSession::Impl::check_finite(const Node& node) {
  for (ValueId v : node.results) {
    const ValueInfo& value = program_->g().values[v];
    // A view of a state shows what earlier nodes stored, each of them checked, and much that nobody stored.
    if (value.state >= 0 || !machine_.cells()[v].owned) continue;
    const auto found = find_nonfinite(machine_.cells()[v].view);
    if (found)
      fail_at(node.at, ErrorCode::invalid_argument, "[{}] '{}' is {} at {}, {} of its elements are not finite",
              node.op->name, value.name, found->what, to_string(found->place), found->count);
  }
}

NodeId SimSession::Impl::next(bool each_turn) {
  if (!stepping_) fail(ErrorCode::invalid_argument, "[sim] no step was begun: call begin first");
  if (inside_) fail(ErrorCode::invalid_argument, "[sim] a watcher cannot step the session that calls it");
  const Inside guard(inside_);
  running_ = kNoNode;
  try {
    return machine_.next(each_turn);
  } catch (const Error& error) {
    const NodeId node = running_;
    const std::string loops = machine_.where();
    stepping_ = false;
    machine_.end();
    if (node == kNoNode) throw;
    fail_in(node, error, loops);
  } catch (const std::bad_alloc&) {
    fail_for_memory();
  } catch (const std::length_error&) {  // a std::vector beyond its max_size
    fail_for_memory();
  } catch (...) {  // a watcher's, or an outside operator's
    stepping_ = false;
    machine_.end();
    throw;
  }
}

void SimSession::Impl::fail_for_memory() {
  const NodeId node = running_;
  stepping_ = false;
  machine_.end();
  fail_in(node, Error(ErrorCode::out_of_memory, "no memory left"), {});
}

/// The node's name in front and its line behind, where the error has none of its own; the turn of the loops around it.
void SimSession::Impl::fail_in(NodeId id, const Error& error, const std::string& loops) const {
  if (id == kNoNode) throw error;
  const Node& node = program_->g().nodes[id];
  if (!error.where().empty() && error.where() != node.at.to_string()) throw error;
  const bool named = error.message().starts_with('[');
  throw Error(error.code(),
              fmt::format("{}{}{}", named ? "" : fmt::format("[{}] ", node.op->name), error.message(),
                          loops.empty() ? "" : fmt::format(" ({})", loops)),
              node.at);
}

Outputs SimSession::Impl::finish() {
  while (next(false) != kNoNode) {
  }
  Outputs outputs;
  for (std::size_t i : wanted_) {
    const OutputDecl& output = program_->g().outputs[i];
    outputs.set(output.name, machine_.cells().tensor(output.value));
  }
  stepping_ = false;
  machine_.end();
  ++stats_.steps;
  return outputs;
}

SimSession::NodeRun SimSession::Impl::describe(NodeId id) const {
  const GraphData& g = program_->g();
  const Node& node = g.nodes[id];
  NodeRun run{node.op->name, {}, machine_.indices(), node.at, id};
  for (ValueId v : node.results)
    if (g.values[v].state < 0) run.results.push_back(g.values[v].name);
  return run;
}

}  // namespace openinfer
