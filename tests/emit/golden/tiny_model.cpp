// tiny for any x86-64 with AVX2 and FMA (2013): the steps of ../plan.txt, and what they work on. Made by OpenInfer; yours to change.
#include "model.h"

#include <algorithm>
#include <utility>

#include "../device/kernels.h"
#include "cpu_program.h"

namespace tiny {
namespace {

namespace constants {
const float frequencies_8_10000[] = {1.0f, 0.1f, 0.01f, 0.001f};  // (4,)
}  // namespace constants

/// Where the package's tensors lie; shapes as stored.
struct Weights {
  const float* tok_embeddings;  // (265, 32)
  const float* attn_norm[2];  // (32,)
  const void* Wq[2];  // (32, 32)
  const void* Wk[2];  // (16, 32)
  const void* Wv[2];  // (16, 32)
  const void* Wo[2];  // (32, 32)
  const float* mlp_norm[2];  // (32,)
  const void* Wgate[2];  // (64, 32)
  const void* Wup[2];  // (64, 32)
  const void* Wdown[2];  // (32, 64)
  const float* final_norm;  // (32,)
  const float* lm_head;  // (265, 32)
};

/// What goes on from step to step.
struct State {
  float* kv_keys;  // (2, slots, 2, ctx, 8)
  float* kv_values;  // (2, slots, 2, ctx, 8)
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class Steps final : public CpuProgram {
 public:
  Steps(const std::string& package, const Options& options) : CpuProgram(tiny::description(), package, options) {
    place_weights();
    state.kv_keys = new_state<float>(sizes[3] * sizes[2] * 32);
    state.kv_values = new_state<float>(sizes[3] * sizes[2] * 32);
  }

 private:
  void place_weights() {
    place(0, weights.tok_embeddings);
    place(1, weights.attn_norm);
    place(2, weights.Wq);
    place(3, weights.Wk);
    place(4, weights.Wv);
    place(5, weights.Wo);
    place(6, weights.mlp_norm);
    place(7, weights.Wgate);
    place(8, weights.Wup);
    place(9, weights.Wdown);
    place(10, weights.final_norm);
    place(11, weights.lm_head);
  }

  void run(std::size_t entry, [[maybe_unused]] const Input* const* in, void* const* out) override {
    switch (entry) {
      case 0: return entry_decode(static_cast<const int*>(in[0]->data), static_cast<const int*>(in[1]->data),
          static_cast<const int*>(in[2]->data), static_cast<const int*>(in[3]->data), static_cast<float*>(out[0]));
      case 1: return entry_prefill(static_cast<const int*>(in[0]->data), static_cast<const int*>(in[1]->data),
          static_cast<const int*>(in[2]->data), static_cast<const int*>(in[3]->data), static_cast<float*>(out[0]));
    }
  }

  // decode: N = 1, R = 1, slots in [1, 16], ctx in [1, 1024]
  void entry_decode(const int* tok, const int* pos, const int* slot, const int* rows, float* logits) {
    const std::int64_t slots = sizes[2], ctx = sizes[3];
    float* x = scratch<float>(256);  // (1, 32)
    float* next_x = scratch<float>(512);  // (1, 32)
    float* attn_norm_2 = scratch<float>(0);  // (1, 32)
    float* Wq_2 = scratch<float>(768);  // (1, 32)
    float* Wk_2 = scratch<float>(1024);  // (1, 16)
    float* v = scratch<float>(1280);  // (1, 16)
    float* q = scratch<float>(0);  // (1, 32)
    float* attention = scratch<float>(768);  // (1, 32)
    float* residual = scratch<float>(1024);  // (1, 32)
    float* mlp_norm_2 = scratch<float>(768);  // (1, 32)
    float* mul = scratch<float>(0);  // (1, 64)
    float* gather = scratch<float>(0);  // (1, 32)
    float* final_norm_2 = scratch<float>(256);  // (1, 32)

    // tok_embeddings = gather  at llama.h:53
    // 260 B, 0 FLOP: lanes along a row: 4096 elements a workgroup
    pool.run(1, [&](int group) { kernel::gather_tok_embeddings(weights.tok_embeddings, tok, x, group); });
    for (std::int64_t l = 0; l < 2; ++l) {
      // attn_norm = rms_norm  at llama.h:55
      // 384 B, 128 FLOP: a call for one long or several short rows
      pool.run(1, [&](int group) { kernel::rms_norm_attn_norm(x, weights.attn_norm[l], attn_norm_2, group); });
      // Wq = matmul; Wk = matmul; v = matmul  at llama.h:56, llama.h:57, llama.h:58
      // 8.4 KiB, 4.1 kFLOP: a column's weights lie together: lanes along them
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          pool.run(8, [&](int group) {
            kernel::matmul_Wq_Wk_Wv(attn_norm_2, static_cast<const float*>(weights.Wq[l]),
                                    static_cast<const float*>(weights.Wk[l]), static_cast<const float*>(weights.Wv[l]),
                                    Wq_2, Wk_2, v, group);
          });
          break;
        case 'b':
          pool.run(8, [&](int group) {
            kernel::matmul_Wq_Wk_Wv_2(attn_norm_2, static_cast<const kernel::f16*>(weights.Wq[l]),
                                      static_cast<const kernel::f16*>(weights.Wk[l]),
                                      static_cast<const kernel::f16*>(weights.Wv[l]), Wq_2, Wk_2, v, group);
          });
          break;
      }
      // q = rope  at llama.h:56
      // 260 B, 96 FLOP: a workgroup for each row, a lane for each pair
      pool.run(1, [&](int group) { kernel::rope(Wq_2, pos, constants::frequencies_8_10000, q, group); });
      // k = rope; kv_write  at llama.h:57, llama.h:59
      // 264 B, 48 FLOP: a workgroup for each row, a lane for each pair
      pool.run(1, [&](int group) {
        kernel::rope_kv_write(Wk_2, v, pos, slot, pos, constants::frequencies_8_10000,
                              state.kv_keys + ctx * l * slots * 16, state.kv_values + ctx * l * slots * 16, ctx, slots,
                              group);
      });
      // kv_read, kv_read.1 = kv_read; attention = sdpa  at llama.h:60, llama.h:61
      // 128.3 KiB, 131 kFLOP: a workgroup for each row and head; one pass over the keys
      pool.run(4, [&](int group) {
        kernel::attention(q, state.kv_keys + ctx * l * slots * 16, state.kv_values + ctx * l * slots * 16, pos, slot,
                          attention, ctx, slots, group);
      });
      // Wo = matmul; residual = add  at llama.h:62
      // 4.4 KiB, 2.08 kFLOP: a column's weights lie together: lanes along them
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          pool.run(4, [&](int group) {
            kernel::matmul_Wo(attention, static_cast<const float*>(weights.Wo[l]), x, residual, group);
          });
          break;
        case 'b':
          pool.run(4, [&](int group) {
            kernel::matmul_Wo_2(attention, static_cast<const kernel::f16*>(weights.Wo[l]), x, residual, group);
          });
          break;
      }
      // mlp_norm = rms_norm  at llama.h:64
      // 384 B, 128 FLOP: a call for one long or several short rows
      pool.run(1, [&](int group) { kernel::rms_norm_mlp_norm(residual, weights.mlp_norm[l], mlp_norm_2, group); });
      // Wgate = matmul; gate = silu; Wup = matmul; mul = mul  at llama.h:65, llama.h:66, llama.h:67
      // 16.4 KiB, 8.32 kFLOP: a column's weights lie together: lanes along them
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          pool.run(8, [&](int group) {
            kernel::matmul_Wgate_Wup(mlp_norm_2, static_cast<const float*>(weights.Wgate[l]),
                                     static_cast<const float*>(weights.Wup[l]), mul, group);
          });
          break;
        case 'b':
          pool.run(8, [&](int group) {
            kernel::matmul_Wgate_Wup_2(mlp_norm_2, static_cast<const kernel::f16*>(weights.Wgate[l]),
                                       static_cast<const kernel::f16*>(weights.Wup[l]), mul, group);
          });
          break;
      }
      // Wdown = matmul; add = add  at llama.h:67
      // 8.5 KiB, 4.13 kFLOP: a column's weights lie together: lanes along them
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          pool.run(4, [&](int group) {
            kernel::matmul_Wdown(mul, static_cast<const float*>(weights.Wdown[l]), residual, next_x, group);
          });
          break;
        case 'b':
          pool.run(4, [&](int group) {
            kernel::matmul_Wdown_2(mul, static_cast<const kernel::f16*>(weights.Wdown[l]), residual, next_x, group);
          });
          break;
      }
      std::swap(x, next_x);
    }
    // gather = gather  at llama.h:69
    // 260 B, 0 FLOP: lanes along a row: 4096 elements a workgroup
    pool.run(1, [&](int group) { kernel::gather_gather(x, rows, gather, group); });
    // final_norm = rms_norm  at llama.h:69
    // 384 B, 128 FLOP: a call for one long or several short rows
    pool.run(1, [&](int group) { kernel::rms_norm_final_norm(gather, weights.final_norm, final_norm_2, group); });
    // logits = matmul  at llama.h:70
    // 34.3 KiB, 17 kFLOP: a column's weights lie together: lanes along them
    pool.run(34, [&](int group) { kernel::matmul_lm_head(final_norm_2, weights.lm_head, logits, group); });
  }

  // prefill: N in [1, 512], R in [1, 512], slots in [1, 16], ctx in [1, 1024]
  void entry_prefill(const int* tok, const int* pos, const int* slot, const int* rows, float* logits) {
    const std::int64_t N = sizes[0], R = sizes[1], slots = sizes[2], ctx = sizes[3];
    float* x = scratch<float>(131072);  // (N, 32)
    float* next_x = scratch<float>(196608);  // (N, 32)
    float* attn_norm_2 = scratch<float>(0);  // (N, 32)
    float* Wq_2 = scratch<float>(65536);  // (N, 32)
    float* Wk_2 = scratch<float>(262144);  // (N, 16)
    float* v = scratch<float>(294912);  // (N, 16)
    float* q = scratch<float>(0);  // (N, 32)
    float* attention = scratch<float>(65536);  // (N, 32)
    float* residual = scratch<float>(262144);  // (N, 32)
    float* mlp_norm_2 = scratch<float>(327680);  // (N, 32)
    float* mul = scratch<float>(0);  // (N, 64)
    float* gather = scratch<float>(0);  // (R, 32)
    float* final_norm_2 = scratch<float>(65536);  // (R, 32)

    // tok_embeddings = gather  at llama.h:53
    // 99.1 KiB, 0 FLOP: lanes along a row: 4096 elements a workgroup
    pool.run(ceil_div(N, 128), [&](int group) {
      kernel::gather_tok_embeddings_2(weights.tok_embeddings, tok, x, N, group);
    });
    for (std::int64_t l = 0; l < 2; ++l) {
      // attn_norm = rms_norm  at llama.h:55
      // 128.1 KiB, 65.5 kFLOP: a call for one long or several short rows
      pool.run(ceil_div(N, 32), [&](int group) {
        kernel::rms_norm_attn_norm_2(x, weights.attn_norm[l], attn_norm_2, N, group);
      });
      // Wq = matmul; Wk = matmul; v = matmul  at llama.h:56, llama.h:57, llama.h:58
      // 200.0 KiB, 2.1 MFLOP: 16 columns of W by 128 k turned once for 512 rows; tiles of 6 rows in registers
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          pool.run(ceil_div(N, 512) * 4, [&](int group) {
            kernel::matmul_Wq_Wk_Wv_3(attn_norm_2, static_cast<const float*>(weights.Wq[l]),
                                      static_cast<const float*>(weights.Wk[l]),
                                      static_cast<const float*>(weights.Wv[l]), Wq_2, Wk_2, v, N, group);
          });
          break;
        case 'b':
          pool.run(ceil_div(N, 512) * 4, [&](int group) {
            kernel::matmul_Wq_Wk_Wv_4(attn_norm_2, static_cast<const kernel::f16*>(weights.Wq[l]),
                                      static_cast<const kernel::f16*>(weights.Wk[l]),
                                      static_cast<const kernel::f16*>(weights.Wv[l]), Wq_2, Wk_2, v, N, group);
          });
          break;
      }
      // q = rope  at llama.h:56
      // 130.0 KiB, 49.2 kFLOP: a workgroup for each row, a lane for each pair
      pool.run(N, [&](int group) { kernel::rope(Wq_2, pos, constants::frequencies_8_10000, q, group); });
      // k = rope; kv_write  at llama.h:57, llama.h:59
      // 132.0 KiB, 24.6 kFLOP: a workgroup for each row, a lane for each pair
      pool.run(N, [&](int group) {
        kernel::rope_kv_write(Wk_2, v, pos, slot, pos, constants::frequencies_8_10000,
                              state.kv_keys + ctx * l * slots * 16, state.kv_values + ctx * l * slots * 16, ctx, slots,
                              group);
      });
      // kv_read, kv_read.1 = kv_read; attention = sdpa  at llama.h:60, llama.h:61
      // 2.13 MiB, 67.1 MFLOP: 32 rows and the heads of a kv head together; keys turned, 16 at a time
      pool.run(ceil_div(N, 32) * 2, [&](int group) {
        kernel::attention_2(q, state.kv_keys + ctx * l * slots * 16, state.kv_values + ctx * l * slots * 16, pos, slot,
                            attention, N, ctx, slots, group);
      });
      // Wo = matmul; residual = add  at llama.h:62
      // 196.0 KiB, 1.06 MFLOP: 16 columns of W by 128 k turned once for 512 rows; tiles of 6 rows in registers
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          pool.run(ceil_div(N, 512) * 2, [&](int group) {
            kernel::matmul_Wo_3(attention, static_cast<const float*>(weights.Wo[l]), x, residual, N, group);
          });
          break;
        case 'b':
          pool.run(ceil_div(N, 512) * 2, [&](int group) {
            kernel::matmul_Wo_4(attention, static_cast<const kernel::f16*>(weights.Wo[l]), x, residual, N, group);
          });
          break;
      }
      // mlp_norm = rms_norm  at llama.h:64
      // 128.1 KiB, 65.5 kFLOP: a call for one long or several short rows
      pool.run(ceil_div(N, 32), [&](int group) {
        kernel::rms_norm_mlp_norm_2(residual, weights.mlp_norm[l], mlp_norm_2, N, group);
      });
      // Wgate = matmul; gate = silu; Wup = matmul; mul = mul  at llama.h:65, llama.h:66, llama.h:67
      // 208.0 KiB, 4.26 MFLOP: 16 columns of W by 128 k turned once for 512 rows; tiles of 6 rows in registers
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          pool.run(ceil_div(N, 512) * 4, [&](int group) {
            kernel::matmul_Wgate_Wup_3(mlp_norm_2, static_cast<const float*>(weights.Wgate[l]),
                                       static_cast<const float*>(weights.Wup[l]), mul, N, group);
          });
          break;
        case 'b':
          pool.run(ceil_div(N, 512) * 4, [&](int group) {
            kernel::matmul_Wgate_Wup_4(mlp_norm_2, static_cast<const kernel::f16*>(weights.Wgate[l]),
                                       static_cast<const kernel::f16*>(weights.Wup[l]), mul, N, group);
          });
          break;
      }
      // Wdown = matmul; add = add  at llama.h:67
      // 264.0 KiB, 2.11 MFLOP: 16 columns of W by 128 k turned once for 512 rows; tiles of 6 rows in registers
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          pool.run(ceil_div(N, 512) * 2, [&](int group) {
            kernel::matmul_Wdown_3(mul, static_cast<const float*>(weights.Wdown[l]), residual, next_x, N, group);
          });
          break;
        case 'b':
          pool.run(ceil_div(N, 512) * 2, [&](int group) {
            kernel::matmul_Wdown_4(mul, static_cast<const kernel::f16*>(weights.Wdown[l]), residual, next_x, N, group);
          });
          break;
      }
      std::swap(x, next_x);
    }
    // gather = gather  at llama.h:69
    // 130.0 KiB, 0 FLOP: lanes along a row: 4096 elements a workgroup
    pool.run(ceil_div(R, 128), [&](int group) { kernel::gather_gather_2(x, rows, gather, N, R, group); });
    // final_norm = rms_norm  at llama.h:69
    // 128.1 KiB, 65.5 kFLOP: a call for one long or several short rows
    pool.run(ceil_div(R, 32), [&](int group) {
      kernel::rms_norm_final_norm_2(gather, weights.final_norm, final_norm_2, R, group);
    });
    // logits = matmul  at llama.h:70
    // 627.1 KiB, 8.68 MFLOP: 16 columns of W by 128 k turned once for 512 rows; tiles of 6 rows in registers
    pool.run(ceil_div(R, 512) * 17, [&](int group) {
      kernel::matmul_lm_head_2(final_norm_2, weights.lm_head, logits, R, group);
    });
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
      .metadata_checksum = 0xb256f868930a0f71,
      .weights_checksum = 0x…,
      .symbols = {"N", "R", "slots", "ctx"},
      .state_symbols = {2, 3},
      .entries =
          {
              {"decode", {{1, 1}, {1, 1}, {1, 16}, {1, 1024}}},
              {"prefill", {{1, 512}, {1, 512}, {1, 16}, {1, 1024}}},
          },
      .inputs =
          {
              {"tok", "i32", {{0, {{0, 1}}}}},
              {"pos", "i32", {{0, {{0, 1}}}}},
              {"slot", "i32", {{0, {{0, 1}}}}},
              {"rows", "i32", {{0, {{1, 1}}}}},
          },
      .outputs =
          {
              {"logits", "f32", {{0, {{1, 1}}}, {265}}},
          },
      .index_inputs =
          {
              {0, {265}, "entries of tok_embeddings"},
              {1, {0, {{3, 1}}}, "positions of kv"},
              {2, {0, {{2, 1}}}, "slots of kv"},
              {3, {0, {{0, 1}}}, "entries of x"},
          },
      // Key, range of each {}, logical shape, stored transposed?, dtypes, dtype of each member, looked up?, in panels?
      .families =
          {
              {"tok_embeddings", {}, {265, 32}, false, {"f32"}, {}, true},
              {"attn_norm.{}", {{0, 2}}, {32}, false, {"f32"}, {}},
              {"Wq.{}", {{0, 2}}, {32, 32}, true, {"f32", "f16"}, "ab"},
              {"Wk.{}", {{0, 2}}, {32, 16}, true, {"f32", "f16"}, "ab"},
              {"Wv.{}", {{0, 2}}, {32, 16}, true, {"f32", "f16"}, "ab"},
              {"Wo.{}", {{0, 2}}, {32, 32}, true, {"f32", "f16"}, "ab"},
              {"mlp_norm.{}", {{0, 2}}, {32}, false, {"f32"}, {}},
              {"Wgate.{}", {{0, 2}}, {32, 64}, true, {"f32", "f16"}, "ab"},
              {"Wup.{}", {{0, 2}}, {32, 64}, true, {"f32", "f16"}, "ab"},
              {"Wdown.{}", {{0, 2}}, {64, 32}, true, {"f32", "f16"}, "ab"},
              {"final_norm", {}, {32}, false, {"f32"}, {}},
              {"lm_head", {}, {32, 265}, true, {"f32"}, {}},
          },
      .arena_bytes = 393216,
      .stack_bytes = 74112,
      .cache = {"ctx", "slots", 1024, 16},
  };
  return all;
}

std::unique_ptr<Program> make_program(const std::string& package, const Options& options) {
  return std::make_unique<Steps>(package, options);
}

}  // namespace tiny
