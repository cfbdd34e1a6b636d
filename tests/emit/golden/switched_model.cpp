// switched for any x86-64 with AVX2 and FMA (2013): the steps of ../plan.txt, and what they work on. Made by OpenInfer; yours to change.
#include "model.h"

#include <algorithm>
#include <utility>

#include "../device/kernels.h"
#include "cpu_program.h"

namespace switched {
namespace {

namespace constants {
const float scales[] = {0.5f, -2.0f};  // (2,)
const float shift[] = {1.0f, 20.0f, 300.0f};  // (3, 1)
}  // namespace constants

/// Where the package's tensors lie; shapes as stored.
struct Weights {
  const float* table;  // (10, 64)
};

/// What goes on from step to step.
struct State {
  float* sum;  // (S, 64)
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class Steps final : public CpuProgram {
 public:
  Steps(const std::string& package, const Options& options) : CpuProgram(switched::description(), package, options) {
    place_weights();
    state.sum = new_state<float>(sizes[1] * 64);
  }

 private:
  void place_weights() {
    place(0, weights.table);
  }

  void run(std::size_t entry, [[maybe_unused]] const Input* const* in, void* const* out) override {
    switch (entry) {
      case 0: return entry_step(static_cast<const int*>(in[0]->data), static_cast<const kernel::b1*>(in[1]->data),
          static_cast<const float*>(in[2]->data), static_cast<float*>(out[0]), static_cast<float*>(out[1]));
    }
  }

  // step: N in [1, 8], S in [1, 6]
  void entry_step(const int* ids, const kernel::b1* more, const float* add, float* y, float* kept) {
    const std::int64_t S = sizes[1];
    float* x = scratch<float>(0);  // (3, 64)
    float* next_x = scratch<float>(768);  // (3, 64)
    float* r_2 = scratch<float>(1536);  // (3, 64)
    float* old = scratch<float>(0);  // (S, 64)

    // x = gather  at switched.oig:9
    // 1.5 KiB, 0 FLOP: lanes along a row: 4096 elements a workgroup
    pool.run(1, [&](int group) { kernel::gather_x(weights.table, ids, x, group); });
    for (std::int64_t l = 0; l < 2; ++l) {
      // n = mul  at switched.oig:11
      // 1.5 KiB, 192 FLOP: 4096 elements a workgroup
      pool.run(1, [&](int group) { kernel::mul(x, constants::scales + l, next_x, group); });
      std::swap(x, next_x);
    }
    if (more->byte != 0) {
      // a = add  at switched.oig:15
      // 1.5 KiB, 192 FLOP: 4096 elements a workgroup
      pool.run(1, [&](int group) { kernel::add(x, constants::shift, r_2, group); });
    } else {
      // b = sub  at switched.oig:18
      // 1.5 KiB, 192 FLOP: 4096 elements a workgroup
      pool.run(1, [&](int group) { kernel::sub(x, constants::shift, r_2, group); });
    }
    // y = mul  at switched.oig:21
    // 1.5 KiB, 192 FLOP: 4096 elements a workgroup
    pool.run(1, [&](int group) { kernel::mul_2(r_2, y, group); });
    // old = state_read  at switched.oig:22
    // 3.0 KiB, 0 FLOP: its place is another
    std::copy_n(state.sum, S * 64, old);
    // kept = add  at switched.oig:23
    // 4.5 KiB, 384 FLOP: 4096 elements a workgroup
    pool.run(ceil_div(S * 64, 4096), [&](int group) { kernel::add_2(old, add, kept, S * 64, group); });
    // state_write  at switched.oig:24
    // 3.0 KiB, 0 FLOP: its place is another
    std::copy_n(kept, S * 64, state.sum);
  }

  Weights weights = {};
  State state = {};
};

}  // namespace

const Description& description() {
  static const Description all = {
      .device = "x86-64-v3",
      .features = {"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "movbe", "lzcnt", "bmi", "bmi2", "avx", "f16c", "fma",
          "avx2"},
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
