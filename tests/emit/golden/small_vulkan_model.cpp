// small for lavapipe, Mesa's Vulkan driver for CPUs: the steps of ../plan.txt, and what they work on. Made by OpenInfer; yours to change.
#include "model.h"

#include <algorithm>
#include <utility>

#include "../device/kernels.h"
#include "vulkan_program.h"

namespace small {
namespace {

const DeviceNeeds& needs() {
  static const DeviceNeeds all = {
      .program = "small",
      .shaders = shaders_checksum,
      .title = "lavapipe, Mesa's Vulkan driver for CPUs",
      .vendor = 0x10005,
      .lanes = 8,
      .workgroup = 32,
      .shared_memory_bytes = 0,
      .bindings = 5,
      .features = description().features,
  };
  return all;
}

/// The package's tensors on the device; shapes as stored.
struct Weights {
  Place table;  // (10, 64)
  Place W[3];  // (64, 64) in blocks
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class Steps final : public VulkanProgram {
 public:
  Steps(const std::string& package, const Options& options)
      : VulkanProgram(small::description(), needs(), package, options) {
    place(0, 4, weights.table);
    place(1, 34, weights.W);
    ready();
  }

 private:
  void steps(std::size_t entry, Recording& r) override {
    switch (entry) {
      case 0: return entry_step(r);
    }
  }

  // step: N in [1, 40]
  void entry_step(Recording& r) {
    const std::int64_t N = sizes[0];
    const Place ids = input(0);  // (N,)
    const Place y = input(1);  // (N, 64)
    const Place z = output(0);  // (N, 64)
    const Place x = output(1);  // (N, 64)
    Place x_2 = scratch(0, 10240, 4);  // (N, 64)
    Place next_x = scratch(10240, 10240, 4);  // (N, 64)

    // x = gather  at small.oig:6
    // 12.7 KiB, 0 FLOP: lanes along a row: 128 elements a workgroup
    r.dispatch(kernels::gather_x, ceil_div(N, 2), {weights.table, ids, x_2}, {N});
    for (std::int64_t l = 0; l < 3; ++l) {
      // m = matmul; t = tanh; n = add  at small.oig:8, small.oig:9, small.oig:10
      // 24.2 KiB, 333 kFLOP: a column's weights lie together: lanes along them; 8 rows share each decoded weight
      r.dispatch(kernels::matmul_W, ceil_div(N, 8) * 16, {x_2, weights.W[l], x_2, next_x}, {N});
      std::swap(x_2, next_x);
    }
    // s = mul; z = add  at small.oig:13, small.oig:14
    // 30.0 KiB, 5.12 kFLOP: 128 elements a workgroup
    r.dispatch(kernels::mul_add, ceil_div(N * 64, 128), {x_2, y, z}, {N * 64});
    // 20.0 KiB, 0 FLOP: its place is another
    r.copy(x_2, x, N * 64);
  }

  Weights weights = {};
};

}  // namespace

const Description& description() {
  static const Description all = {
      .device = "lavapipe",
      .features = {"storageBuffer16BitAccess", "storageBuffer8BitAccess", "subgroupArithmetic", "subgroupBasic"},
      .metadata_checksum = 0xaf2a6aaa7c1aaa91,
      .weights_checksum = 0x…,
      .symbols = {"N"},
      .state_symbols = {},
      .entries =
          {
              {"step", {{1, 40}}},
          },
      .inputs =
          {
              {"ids", "i32", {{0, {{0, 1}}}}},
              {"y", "f32", {{0, {{0, 1}}}, {64}}},
          },
      .outputs =
          {
              {"z", "f32", {{0, {{0, 1}}}, {64}}},
              {"x", "f32", {{0, {{0, 1}}}, {64}}},
          },
      .index_inputs =
          {
              {0, {10}, "entries of table"},
          },
      // Key, range of each {}, logical shape, stored transposed?, dtypes, dtype of each member, looked up?, in panels?
      .families =
          {
              {"table", {}, {10, 64}, false, {"f32"}, {}, true},
              {"W.{}", {{0, 3}}, {64, 64}, true, {"q8_0"}, {}},
          },
      .arena_bytes = 20480,
      .cache = {"", "", 0, 0},
  };
  return all;
}

std::unique_ptr<Program> make_program(const std::string& package, const Options& options) {
  return std::make_unique<Steps>(package, options);
}

}  // namespace small
