// SPDX-License-Identifier: Apache-2.0
// The simulator: runs a graph node by node in a way that is obviously right. Its numbers are the reference that every
// compiled program is held to: weights dequantised exactly, one definition of a dot product, f32 sums in sixteen
// partial sums. The same bits for any number of threads and whatever instructions our own loops use; from machine to
// machine up to the C library: exp, sin, tanh, erf and their like are its, and another libc, another version, or the
// variant that one picks for another processor (glibc: with FMA or without) may round their last bit otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "openinfer/tensor.h"

namespace openinfer {

/// What runs a session's steps: the simulator's reference interpreter, or the graph compiled for this CPU, or for this
/// machine's GPU by Vulkan. By cuda nothing runs in this version, only `emit` writes its kernels: a session with it is
/// an Error (unsupported).
enum class Backend : std::uint8_t { sim, cpu, vulkan, cuda };
/// "sim", "cpu", "vulkan", "cuda".
std::string_view name(Backend backend);
/// Errors: invalid_argument, with the names there are.
Backend backend_from_name(std::string_view name);

/// How compiled steps compute, as the device has units for (see plan.txt). strict: f32 arithmetic; of one row with
/// weights in blocks, which CPUs multiply as they lie in their words, for activations up to 2^96: a larger one may
/// become infinite, which find_nonfinite (simulated) does not see and --check reports, for no bound allows it. bf16:
/// both operands of products of many rows, as prompts have, and with weights in floats of steps that may have two or
/// more, are rounded to bf16, sums are f32. fast: what products with weights in blocks read is rounded to 8 bits, 32
/// elements with one scale; of prompts, and with weights in floats of steps that may have two rows, both operands to
/// bf16.
enum class Numerics : std::uint8_t { strict, bf16, fast };
/// "strict", "bf16", "fast".
std::string_view name(Numerics numerics);
/// Errors: invalid_argument, with the names there are.
Numerics numerics_from_name(std::string_view name);

/// What an input is set to: a tensor, a number, or a list of numbers that takes the input's dtype and, if the sizes
/// agree, its shape. Errors at run_step: dtype_mismatch (a tensor of another dtype, or a number that the dtype cannot
/// hold), shape_mismatch.
class InputValue {
 public:
  InputValue(Tensor tensor) : tensor_(std::move(tensor)) {}
  InputValue(int value) : integers_{value}, scalar_(true) {}
  InputValue(std::int64_t value) : integers_{value}, scalar_(true) {}
  InputValue(double value) : numbers_{value}, scalar_(true) {}
  InputValue(std::initializer_list<int> values) : integers_(values.begin(), values.end()) {}
  InputValue(std::initializer_list<double> values) : numbers_(values) {}
  InputValue(const std::vector<std::int32_t>& values) : integers_(values.begin(), values.end()) {}
  InputValue(std::vector<std::int64_t> values) : integers_(std::move(values)) {}
  InputValue(const std::vector<float>& values) : numbers_(values.begin(), values.end()) {}
  InputValue(std::vector<double> values) : numbers_(std::move(values)) {}

  const std::optional<Tensor>& tensor() const { return tensor_; }
  const std::vector<std::int64_t>& integers() const { return integers_; }
  const std::vector<double>& numbers() const { return numbers_; }
  bool scalar() const { return scalar_; }

 private:
  std::optional<Tensor> tensor_;
  std::vector<std::int64_t> integers_;
  std::vector<double> numbers_;
  bool scalar_ = false;
};
using Inputs = std::vector<std::pair<std::string, InputValue>>;

/// Outputs of a step by name.
class Outputs {
 public:
  /// Errors: not_found, with the names there are.
  const Tensor& operator[](Model::Key name) const;
  const std::map<std::string, Tensor, std::less<>>& all() const { return tensors_; }
  void set(std::string name, Tensor tensor) { tensors_.insert_or_assign(std::move(name), std::move(tensor)); }

 private:
  std::map<std::string, Tensor, std::less<>> tensors_;
};

/// One value as a watcher sees it, right after its node ran.
struct Watched {
  std::string_view name;
  std::string_view op;
  Location at;                        // the line that made it
  std::vector<std::int64_t> indices;  // of the enclosing loops, outermost first
  TensorView value;
};
using Watcher = std::function<void(const Watched&)>;

struct SimOptions {
  int threads = 0;                                // 0: all processors
  std::map<std::string, std::int64_t> dims = {};  // values for symbols that inputs do not bind: {"ctx", 512}
  bool find_nonfinite = false;           // a NaN or infinity in any float result is an Error that names its node
  std::string gpu = {};                  // Backend::vulkan: a part of the device's name; empty: the first
  Numerics numerics = Numerics::strict;  // of compiled backends; others with Backend::sim are an Error (unsupported)
  /// Bytes that weights, values of a step and states may take together; 0: no bound. With one, weights are read from
  /// the file in tiles, not through its mapping. Proven when the session is made: an Error (out_of_memory) names the
  /// smallest budget that works with these dims, which is one for the smallest steps; SimSession::limits() says how
  /// large steps may be. Snapshots and forks are beyond it. Backend::vulkan: an Error (unsupported).
  std::int64_t memory_budget = 0;
  /// Backend::cpu: told in a sentence, before the C++ compiler is started, what it compiles and where that is kept: the
  /// constructor then takes seconds. Not called where the kernels are there already.
  std::function<void(const std::string&)> on_compile = {};
};

/// The contents of every state of a session.
class StateSnapshot {
 public:
  struct Entry {
    std::string name;
    std::vector<Tensor> tensors;  // kv_cache: keys, values; tensor: itself; none before its size is known
  };
  std::vector<Entry> states;
};

struct SimStats {
  std::uint64_t steps = 0;
  std::uint64_t nodes_run = 0;   // of the simulator; 0 of a compiled session, whose steps run kernels
  std::uint64_t bytes_read = 0;  // bytes of package tensors that nodes, or kernels, asked for
  /// Of the states as the simulator holds them. Of a compiled session: those that have a size when it is made; what its
  /// own memory holds beside them (an arena, rounding, copies of a GPU) is not in it.
  std::uint64_t state_bytes = 0;
};

/// Runs one graph over one package, step by step. A symbol takes its value from the inputs' shapes at each step, from
/// SimOptions::dims, or, where no input has it, from its upper bound. A state gets its size when the session is made,
/// or at the first step if inputs tell it, and keeps it; capacity that nobody has written takes no memory.
/// A step needs the inputs that its wanted outputs and the states' writes depend on; others may be left out.
/// One thread at a time may use a session; many sessions may share a Model and a Graph.
/// Errors of the constructor: not_found, dtype_mismatch, shape_mismatch where the package does not have what the graph
/// declares; invalid_argument for an unknown or out-of-bounds dimension; out_of_memory for states.
/// Every Error names the line of the graph's node that it belongs to, else the line that called the session.
class SimSession {
 public:
  SimSession(const Model& model, const Graph& graph, SimOptions options = {}, At at = {});
  explicit SimSession(const Graph& graph, SimOptions options = {}, At at = {});
  /// The same with steps that run compiled, for programs that link OpenInfer::codegen: states, snapshots and forks work
  /// alike; a step takes all inputs; indices that the graph computes are held to their range without an Error. What
  /// looks into the simulator (begin, next, finish, watch, trace, find_nonfinite) is an Error: unsupported. More
  /// errors: unsupported for what no kernel serves, or a backend that this build or machine has not; not_found without
  /// a C++ compiler (cpu); device_error.
  SimSession(const Model& model, const Graph& graph, Backend backend, SimOptions options = {}, At at = {});
  ~SimSession();
  SimSession(SimSession&&) noexcept;
  SimSession& operator=(SimSession&&) noexcept;

  /// Runs what the wanted outputs (default: all) and the states' writes need, and nothing else. On an Error the
  /// states are as they were when the failing node was reached: restore a snapshot to go on.
  Outputs run_step(const Inputs& inputs, const std::vector<std::string>& wanted = {}, At at = {});

  /// Compiled, a step takes the first entry point that its sizes fit, and of two that they fit each may sum in an order
  /// of its own. From now on it takes this one wherever they fit it: a prompt in pieces is to go in by "prefill" with
  /// its last row too. "": the first again. The simulator has one way in.
  void prefer(std::string_view entry);

  /// The same, one node at a time: begin, then next until it returns nothing, then finish. A loop's turn in which no
  /// operator runs counts as a run of the loop.
  struct NodeRun {
    std::string_view op;
    std::vector<std::string_view> results;
    std::vector<std::int64_t> indices;
    Location at;
    std::uint32_t node = 0;  // its number in the graph: GraphData::nodes
  };
  void begin(const Inputs& inputs, const std::vector<std::string>& wanted = {}, At at = {});
  std::optional<NodeRun> next(At at = {});
  Outputs finish(At at = {});  // runs what is left

  /// From the next step on, calls `watcher` with every value of that name: inputs, results, a loop's index and what it
  /// carries (once each turn) and ends as. "x.*" means x, x.1, x.2, …; an output's name means its value if no value has
  /// that name. Watched values are computed even if no output needs them; in a branch not taken there are none. A
  /// watcher may throw, which ends the step; it may not run steps, nor take or change states. Errors: not_found, with
  /// the nearest names.
  void watch(std::string_view name, Watcher watcher, At at = {});
  void unwatch(std::string_view name, At at = {});

  /// A copy of every state; pages that are still zero are not copied. Between begin and finish: as the nodes that ran
  /// left them; restore and reset then change at once what the nodes still to run find. Errors, of all that follow
  /// here: invalid_argument from a watcher of this session.
  StateSnapshot save(At at = {}) const;
  /// Errors: invalid_argument if names, dtypes or shapes differ from this session's states.
  void restore(const StateSnapshot& snapshot, At at = {});
  void reset(At at = {});  // zeros every state; sizes stay
  /// A session of its own with the same options and contents, without watchers and trace; costs a copy of the states.
  /// Errors: invalid_argument between begin and finish, where states are half written.
  SimSession fork(At at = {}) const;

  /// The states as a file that any session of the same package and graph takes up, on whatever backend. `note` is the
  /// caller's: which tokens the caches hold, say. Caches are written as far as they hold anything; the file appears
  /// whole or not at all. Errors: io_error; invalid_argument between begin and finish.
  void save_state(const std::string& path, std::string_view note = {}, At at = {}) const;
  /// Takes up such a file and returns its note. A cache may have another capacity, if what it holds fits. On an Error
  /// the states are as before. Errors: io_error; corrupt_package for a file that is cut, damaged or something else;
  /// unsupported for another version; invalid_argument for another package's or graph's, or states that do not fit, and
  /// between begin and finish.
  std::string load_state(const std::string& path, At at = {});
  /// Its note alone, before there is a session. Errors: as load_state's but for what does not fit a session; without
  /// package and graph, of any.
  static std::string state_note(const std::string& path, At at = {});
  static std::string state_note(const std::string& path, const Model& model, const Graph& graph, At at = {});

  /// Writes every node run from now on as a complete event ("ph":"X") of the Trace Event Format, which Perfetto and
  /// chrome://tracing open; the file appears, whole, with stop_trace or the destructor. Errors: io_error;
  /// invalid_argument for a file of the package.
  void trace(const std::string& path, At at = {});
  void stop_trace(At at = {});

  SimStats stats() const;

  /// Of compiled steps the row of the device database that they are planned by ("this-gpu": none fits the device, whose
  /// driver alone was asked), plan.txt of them, and what their user may want to hear, a sentence each: numerics that
  /// change nothing here. Of the simulator nothing.
  std::string device() const;
  std::string plan() const;
  std::vector<std::string> remarks() const;

  /// The most that each symbol may be that inputs bind: its upper bound, or, with a memory budget, what fits it: the
  /// symbol that costs least goes first. A larger step is an Error (out_of_memory) before anything of it runs.
  std::map<std::string, std::int64_t> limits() const;

 private:
  struct Impl;
  friend Tensor eval(const Value& value, At at);
  static std::unique_ptr<Impl> make(const Model* model, const Graph& graph, SimOptions options);
  explicit SimSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Computes one value of a graph that needs no inputs and no package: for tests and notebooks.
///   GraphBuilder b; Tensor t = eval(b.constant({1.f, 2.f}) * 2);
/// The builder stays open. Errors: invalid_argument if the value depends on an input or lies inside a region.
Tensor eval(const Value& value, At at = {});

}  // namespace openinfer
