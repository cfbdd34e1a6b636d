// SPDX-License-Identifier: Apache-2.0
// A graph over a package as a C++ project for one named device: the end of the way that sim.h begins. Nothing of the
// device, driver included, need be here. Not in openinfer.h: programs that use it link OpenInfer::codegen, which
// find_package(OpenInfer COMPONENTS codegen) finds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openinfer/device.h"
#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "openinfer/sim.h"

namespace openinfer {

/// A way into the emitted program: bounds of symbols, narrower than the graph's. A symbol with min = max is a number in
/// its kernels.
struct EmitEntry {
  std::string name;
  std::map<std::string, std::pair<std::int64_t, std::int64_t>, std::less<>> dims = {};
};

struct EmitOptions {
  std::optional<std::string> name = {};  // target and namespace; none: from the package's file name
  Numerics numerics = Numerics::strict;
  /// None: of a graph over rows (tok i32[N], rows i32[R] → logits) "decode", one row or one for each sequence of
  /// `batch`, and "prefill", up to 512; of any other "step".
  std::vector<EmitEntry> entries = {};
  std::optional<std::int64_t> max_context = {};  // most positions that the caches can be opened with
  std::optional<std::int64_t> batch = {};        // sequences that they hold; with a budget one, if it is not said
  /// Bytes that weights, values of a step and caches may take together, 0: no bound. Weights are streamed; CPUs only.
  std::int64_t memory_budget = 0;
  bool fuse = true;         // false: a kernel for each node
  bool check_data = false;  // the simulator's values of a few steps, to which `model PACKAGE --check` holds every node
  bool cubins = true;       // CUDA: compile the kernels (NVRTC); false: sources and plan only
  /// Graph and plan as text around each of these passes ("all": every one).
  std::vector<std::string> dump = {};
  std::function<void(std::string_view pass, const std::string& before, const std::string& after)> on_dump = {};
};

///   Evaluator(DeviceSpec::named("zen4")).from_graph(model, g).emit("build/out");
/// A cheap handle, immutable; copies share the plan. Same package, graph, device and options: the same files.
class Evaluator {
 public:
  /// Errors: not_found, with the nearest names; invalid_argument if several devices fit (it lists them); unsupported if
  /// the device cannot be driven by that api.
  explicit Evaluator(const DeviceSpec& device, At at = {});

  /// The graph compiled for the device. Errors: not_found, dtype_mismatch, shape_mismatch where the package has not
  /// what the graph declares; unsupported, with the graph's line, for what no kernel serves, and for options that the
  /// device's api has not (check_data: cuda; memory_budget: vulkan, cuda); invalid_argument for bounds outside the
  /// graph's; out_of_memory, with the smallest budget that works; not_found for a pass to dump that is none.
  Evaluator from_graph(const Model& model, const Graph& graph, EmitOptions options = {}, At at = {}) const;

  /// Writes the project: kernels, host program, CMake, plan.txt, all of it or nothing. An emitted project that is there
  /// is replaced; what else lies in its folder (a build folder) stays. Errors: invalid_argument for a folder with
  /// anything else in it, a name that is none for a namespace and a target, and before from_graph; not_found if the
  /// folder that it is to lie in is not there; io_error; unsupported for what a host program has not.
  void emit(const std::filesystem::path& folder, At at = {}) const;
  /// The same files by path, unwritten.
  std::map<std::string, std::string> files(At at = {}) const;

  /// "zen4", "cpu": the device and what drives it.
  const std::string& device() const;
  std::string_view api() const;
  /// Of the program. Errors: invalid_argument before from_graph.
  const std::string& name() const;
  std::size_t kernel_count() const;
  /// Dispatches, buffers, bytes, FLOPs, and why each kernel was chosen: plan.txt.
  std::string plan() const;
  /// What the caller may want to hear, a sentence each: numerics that change nothing on this device.
  std::vector<std::string> remarks() const;

 private:
  struct Target;
  struct Program;
  const Program& program() const;
  std::shared_ptr<const Target> target_;
  std::shared_ptr<const Program> program_;
};

}  // namespace openinfer
