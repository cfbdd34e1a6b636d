// switched for lavapipe, Mesa's Vulkan driver for CPUs: the steps of ../plan.txt, and what they work on. Made by OpenInfer; yours to change.
#include "model.h"

#include <algorithm>
#include <utility>

#include "../device/kernels.h"
#include "vulkan_program.h"

namespace switched {
namespace {

namespace constant_values {
const float scales[] = {0.5f, -2.0f};  // (2,)
const float shift[] = {1.0f, 20.0f, 300.0f};  // (3, 1)
}  // namespace constant_values

const DeviceNeeds& needs() {
  static const DeviceNeeds all = {
      .program = "switched",
      .shaders = shaders_checksum,
      .title = "lavapipe, Mesa's Vulkan driver for CPUs",
      .vendor = 0x10005,
      .lanes = 8,
      .workgroup = 32,
      .shared_memory_bytes = 0,
      .bindings = 4,
      .features = description().features,
  };
  return all;
}

/// The package's tensors on the device; shapes as stored.
struct Weights {
  Place table;  // (10, 64)
};

/// Values of the graph.
struct Constants {
  Place scales;  // (2,)
  Place shift;  // (3, 1)
};

/// What goes on from step to step.
struct State {
  Place sum;  // (S, 64)
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class Steps final : public VulkanProgram {
 public:
  Steps(const std::string& package, const Options& options)
      : VulkanProgram(switched::description(), needs(), package, options) {
    place(0, 4, weights.table);
    constants.scales = constant(constant_values::scales);
    constants.shift = constant(constant_values::shift);
    state.sum = new_state(sizes[1] * 64, 4);
    ready();
  }

 private:
  void steps(std::size_t entry, Recording& r) override {
    switch (entry) {
      case 0: return entry_step(r);
    }
  }

  // step: N in [1, 8], S in [1, 6]
  void entry_step(Recording& r) {
    const std::int64_t S = sizes[1];
    const Place ids = input(0);  // (3,)
    const Place more = input(1);  // ()
    const Place add = input(2);  // (S, 64)
    const Place y = output(0);  // (3, 64)
    const Place kept = output(1);  // (S, 64)
    Place x = scratch(0, 768, 4);  // (3, 64)
    Place next_x = scratch(768, 768, 4);  // (3, 64)
    Place r_2 = scratch(1536, 768, 4);  // (3, 64)
    Place old = scratch(0, 1536, 4);  // (S, 64)

    // x = gather  at switched.oig:9
    // 1.5 KiB, 0 FLOP: lanes along a row: 128 elements a workgroup
    r.dispatch(kernels::gather_x, 2, {weights.table, ids, x}, {});
    for (std::int64_t l = 0; l < 2; ++l) {
      // n = mul  at switched.oig:11
      // 1.5 KiB, 192 FLOP: 128 elements a workgroup
      r.dispatch(kernels::mul, 2, {x, constants.scales + l, next_x}, {});
      std::swap(x, next_x);
    }
    r.branch(
        more,
        [&] {
          // a = add  at switched.oig:15
          // 1.5 KiB, 192 FLOP: 128 elements a workgroup
          r.dispatch(kernels::add, 2, {x, constants.shift, r_2}, {});
        },
        [&] {
          // b = sub  at switched.oig:18
          // 1.5 KiB, 192 FLOP: 128 elements a workgroup
          r.dispatch(kernels::sub, 2, {x, constants.shift, r_2}, {});
        });
    // y = mul  at switched.oig:21
    // 1.5 KiB, 192 FLOP: 128 elements a workgroup
    r.dispatch(kernels::mul_2, 2, {r_2, y}, {});
    // old = state_read  at switched.oig:22
    // 3.0 KiB, 0 FLOP: its place is another
    r.copy(state.sum, old, S * 64);
    // kept = add  at switched.oig:23
    // 4.5 KiB, 384 FLOP: 128 elements a workgroup
    r.dispatch(kernels::add_2, ceil_div(S * 64, 128), {old, add, kept}, {S * 64});
    // state_write  at switched.oig:24
    // 3.0 KiB, 0 FLOP: its place is another
    r.copy(kept, state.sum, S * 64);
  }

  Weights weights = {};
  Constants constants = {};
  State state = {};
};

}  // namespace

const Description& description() {
  static const Description all = {
      .device = "lavapipe",
      .features = {"subgroupBasic"},
      .metadata_checksum = 0xaf2a6aaa7c1aaa91,
      .weights_checksum = 0x…,
      .symbols = {"N", "S"},
      .state_symbols = {1},
      .entries =
          {
              {"step", {{1, 8}, {1, 6}}},
          },
      .inputs =
          {
              {"ids", "i32", {{3}}},
              {"more", "bool", {}},
              {"add", "f32", {{0, {{1, 1}}}, {64}}},
          },
      .outputs =
          {
              {"y", "f32", {{3}, {64}}},
              {"kept", "f32", {{0, {{1, 1}}}, {64}}},
          },
      .index_inputs =
          {
              {0, {10}, "entries of table"},
          },
      // Key, range of each {}, logical shape, stored transposed?, dtypes, dtype of each member, looked up?, in panels?
      .families =
          {
              {"table", {}, {10, 64}, false, {"f32"}, {}, true},
          },
      .arena_bytes = 2304,
      .cache = {"", "", 0, 0},
  };
  return all;
}

std::unique_ptr<Program> make_program(const std::string& package, const Options& options) {
  return std::make_unique<Steps>(package, options);
}

}  // namespace switched
