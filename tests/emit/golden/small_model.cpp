// small for any x86-64 with AVX2 and FMA (2013): the steps of ../plan.txt, and what they work on. Made by OpenInfer; yours to change.
#include "model.h"

#include <algorithm>
#include <utility>

#include "../device/kernels.h"
#include "cpu_program.h"

namespace small {
namespace {

/// Where the package's tensors lie; shapes as stored.
struct Weights {
  const float* table;  // (10, 64)
  const kernel::q8_0_x16* W[3];  // (64, 64) in panels
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class Steps final : public CpuProgram {
 public:
  Steps(const std::string& package, const Options& options) : CpuProgram(small::description(), package, options) {
    place_weights();
  }

 private:
  void place_weights() {
    place(0, weights.table);
    place(1, weights.W);
  }

  void run(std::size_t entry, [[maybe_unused]] const Input* const* in, void* const* out) override {
    if (move_small_weights()) place_weights();
    switch (entry) {
      case 0: return entry_step(static_cast<const int*>(in[0]->data), static_cast<const float*>(in[1]->data),
          static_cast<float*>(out[0]), static_cast<float*>(out[1]));
    }
  }

  // step: N in [1, 40]
  void entry_step(const int* ids, const float* y, float* z, float* x) {
    const std::int64_t N = sizes[0];
    float* x_2 = scratch<float>(0);  // (N, 64)
    float* next_x = scratch<float>(10240);  // (N, 64)

    // x = gather  at small.oig:6
    // 12.7 KiB, 0 FLOP: lanes along a row: 4096 elements a workgroup
    pool.run(ceil_div(N, 64), [&](int group) { kernel::gather_x(weights.table, ids, x_2, N, group); });
    for (std::int64_t l = 0; l < 3; ++l) {
      // m = matmul; t = tanh; n = add  at small.oig:8, small.oig:9, small.oig:10
      // 24.2 KiB, 333 kFLOP: 16 columns of W by 128 k decoded once for 40 rows; tiles of 6 rows in registers
      with_panels(4, {{weights.W[l], 0, 4, 16}}, ceil_div(N, 40) * 4,
                  [&](const Panels& panels, int group) { kernel::matmul_W(x_2, panels[0], x_2, next_x, N, group); });
      std::swap(x_2, next_x);
    }
    // s = mul; z = add  at small.oig:13, small.oig:14
    // 30.0 KiB, 5.12 kFLOP: 4096 elements a workgroup
    pool.run(ceil_div(N * 64, 4096), [&](int group) { kernel::mul_add(x_2, y, z, N * 64, group); });
    // 20.0 KiB, 0 FLOP: its place is another
    std::copy_n(x_2, N * 64, x);
  }

  Weights weights = {};
};

}  // namespace

const Description& description() {
  static const Description all = {
      .device = "x86-64-v3",
      .features = {"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "movbe", "lzcnt", "bmi", "bmi2", "avx", "f16c", "fma",
          "avx2"},
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
      // Key, range of each {}, logical shape, stored transposed?, dtypes, dtype of each member, looked up?, in panels?, how it is read
      .families =
          {
              {"table", {}, {10, 64}, false, {"f32"}, {}, true},
              {"W.{}", {{0, 3}}, {64, 64}, true, {"q8_0"}, {}, false, true, Fetch::on_use},
          },
      .arena_bytes = 20480,
      .stack_bytes = 10944,
      .passing_bytes = 1088,
      .cache = {"", "", 0, 0},
  };
  return all;
}

std::unique_ptr<Program> make_program(const std::string& package, const Options& options) {
  return std::make_unique<Steps>(package, options);
}

}  // namespace small
