// tiny for lavapipe, Mesa's Vulkan driver for CPUs: the steps of ../plan.txt, and what they work on. Made by OpenInfer; yours to change.
#include "model.h"

#include <algorithm>
#include <utility>

#include "../device/kernels.h"
#include "vulkan_program.h"

namespace tiny {
namespace {

namespace constant_values {
const float frequencies_8_10000[] = {1.0f, 0.1f, 0.01f, 0.001f};  // (4,)
}  // namespace constant_values

const DeviceNeeds& needs() {
  static const DeviceNeeds all = {
      .program = "tiny",
      .shaders = shaders_checksum,
      .title = "lavapipe, Mesa's Vulkan driver for CPUs",
      .vendor = 0x10005,
      .lanes = 8,
      .workgroup = 32,
      .shared_memory_bytes = 160,
      .bindings = 9,
      .features = description().features,
  };
  return all;
}

/// The package's tensors on the device; shapes as stored.
struct Weights {
  Place tok_embeddings;  // (265, 32)
  Place attn_norm[2];  // (32,)
  Place Wq[2];  // (32, 32)
  Place Wk[2];  // (16, 32)
  Place Wv[2];  // (16, 32)
  Place Wo[2];  // (32, 32)
  Place mlp_norm[2];  // (32,)
  Place Wgate[2];  // (64, 32)
  Place Wup[2];  // (64, 32)
  Place Wdown[2];  // (32, 64)
  Place final_norm;  // (32,)
  Place lm_head;  // (265, 32)
};

/// Values of the graph.
struct Constants {
  Place frequencies_8_10000;  // (4,)
};

/// What goes on from step to step.
struct State {
  Place kv_keys;  // (2, slots, 2, ctx, 8)
  Place kv_values;  // (2, slots, 2, ctx, 8)
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class Steps final : public VulkanProgram {
 public:
  Steps(const std::string& package, const Options& options)
      : VulkanProgram(tiny::description(), needs(), package, options) {
    place(0, 4, weights.tok_embeddings);
    place(1, 4, weights.attn_norm);
    place(2, 1, weights.Wq);
    place(3, 1, weights.Wk);
    place(4, 1, weights.Wv);
    place(5, 1, weights.Wo);
    place(6, 4, weights.mlp_norm);
    place(7, 1, weights.Wgate);
    place(8, 1, weights.Wup);
    place(9, 1, weights.Wdown);
    place(10, 4, weights.final_norm);
    place(11, 4, weights.lm_head);
    constants.frequencies_8_10000 = constant(constant_values::frequencies_8_10000);
    state.kv_keys = new_state(sizes[3] * sizes[2] * 32, 4);
    state.kv_values = new_state(sizes[3] * sizes[2] * 32, 4);
    ready();
  }

 private:
  void steps(std::size_t entry, Recording& r) override {
    switch (entry) {
      case 0: return entry_decode(r);
      case 1: return entry_prefill(r);
    }
  }

  // decode: N = 1, R = 1, slots in [1, 16], ctx in [1, 1024]
  void entry_decode(Recording& r) {
    const std::int64_t slots = sizes[2], ctx = sizes[3];
    const Place tok = input(0);  // (N,)
    const Place pos = input(1);  // (N,)
    const Place slot = input(2);  // (N,)
    const Place rows = input(3);  // (R,)
    const Place logits = output(0);  // (R, 265)
    Place x = scratch(256, 128, 4);  // (1, 32)
    Place next_x = scratch(512, 128, 4);  // (1, 32)
    Place attn_norm_2 = scratch(0, 128, 4);  // (1, 32)
    Place Wq_2 = scratch(768, 128, 4);  // (1, 32)
    Place Wk_2 = scratch(1024, 64, 4);  // (1, 16)
    Place v = scratch(1280, 64, 4);  // (1, 16)
    Place q = scratch(0, 128, 4);  // (1, 32)
    Place attention = scratch(768, 128, 4);  // (1, 32)
    Place residual = scratch(1024, 128, 4);  // (1, 32)
    Place mlp_norm_2 = scratch(768, 128, 4);  // (1, 32)
    Place mul = scratch(0, 256, 4);  // (1, 64)
    Place gather = scratch(0, 128, 4);  // (1, 32)
    Place final_norm_2 = scratch(256, 128, 4);  // (1, 32)

    // tok_embeddings = gather  at llama.h:53
    // 260 B, 0 FLOP: lanes along a row: 128 elements a workgroup
    r.dispatch(kernels::gather_tok_embeddings, 1, {weights.tok_embeddings, tok, x}, {});
    for (std::int64_t l = 0; l < 2; ++l) {
      // attn_norm = rms_norm  at llama.h:55
      // 384 B, 128 FLOP: a subgroup for each short row
      r.dispatch(kernels::rms_norm_attn_norm, 1, {x, weights.attn_norm[l], attn_norm_2}, {});
      // Wq = matmul; Wk = matmul; v = matmul  at llama.h:56, llama.h:57, llama.h:58
      // 8.4 KiB, 4.1 kFLOP: a column's weights lie together: lanes along them
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          r.dispatch(kernels::matmul_Wq_Wk_Wv, 16, {attn_norm_2, weights.Wq[l], weights.Wk[l], weights.Wv[l], Wq_2,
              Wk_2, v}, {});
          break;
        case 'b':
          r.dispatch(kernels::matmul_Wq_Wk_Wv_2, 16, {attn_norm_2, weights.Wq[l], weights.Wk[l], weights.Wv[l], Wq_2,
              Wk_2, v}, {});
          break;
      }
      // q = rope  at llama.h:56
      // 260 B, 96 FLOP: a workgroup for each row, a lane for each pair
      r.dispatch(kernels::rope, 1, {Wq_2, pos, constants.frequencies_8_10000, q}, {});
      // k = rope; kv_write  at llama.h:57, llama.h:59
      // 264 B, 48 FLOP: a workgroup for each row, a lane for each pair
      r.dispatch(kernels::rope_kv_write, 1, {Wk_2, v, pos, slot, pos, constants.frequencies_8_10000,
          state.kv_keys + ctx * l * slots * 16, state.kv_values + ctx * l * slots * 16}, {ctx, slots});
      // kv_read, kv_read.1 = kv_read; attention = sdpa  at llama.h:60, llama.h:61
      // 128.3 KiB, 131 kFLOP: a workgroup for each row and head; one pass over the keys
      r.dispatch(kernels::attention, 4, {q, state.kv_keys + ctx * l * slots * 16,
          state.kv_values + ctx * l * slots * 16, pos, slot, attention}, {ctx, slots});
      // Wo = matmul; residual = add  at llama.h:62
      // 4.4 KiB, 2.08 kFLOP: a column's weights lie together: lanes along them
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          r.dispatch(kernels::matmul_Wo, 8, {attention, weights.Wo[l], x, residual}, {});
          break;
        case 'b':
          r.dispatch(kernels::matmul_Wo_2, 8, {attention, weights.Wo[l], x, residual}, {});
          break;
      }
      // mlp_norm = rms_norm  at llama.h:64
      // 384 B, 128 FLOP: a subgroup for each short row
      r.dispatch(kernels::rms_norm_mlp_norm, 1, {residual, weights.mlp_norm[l], mlp_norm_2}, {});
      // Wgate = matmul; gate = silu; Wup = matmul; mul = mul  at llama.h:65, llama.h:66, llama.h:67
      // 16.4 KiB, 8.32 kFLOP: a column's weights lie together: lanes along them
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          r.dispatch(kernels::matmul_Wgate_Wup, 16, {mlp_norm_2, weights.Wgate[l], weights.Wup[l], mul}, {});
          break;
        case 'b':
          r.dispatch(kernels::matmul_Wgate_Wup_2, 16, {mlp_norm_2, weights.Wgate[l], weights.Wup[l], mul}, {});
          break;
      }
      // Wdown = matmul; add = add  at llama.h:67
      // 8.5 KiB, 4.13 kFLOP: a column's weights lie together: lanes along them
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          r.dispatch(kernels::matmul_Wdown, 8, {mul, weights.Wdown[l], residual, next_x}, {});
          break;
        case 'b':
          r.dispatch(kernels::matmul_Wdown_2, 8, {mul, weights.Wdown[l], residual, next_x}, {});
          break;
      }
      std::swap(x, next_x);
    }
    // gather = gather  at llama.h:69
    // 260 B, 0 FLOP: lanes along a row: 128 elements a workgroup
    r.dispatch(kernels::gather_gather, 1, {x, rows, gather}, {});
    // final_norm = rms_norm  at llama.h:69
    // 384 B, 128 FLOP: a subgroup for each short row
    r.dispatch(kernels::rms_norm_final_norm, 1, {gather, weights.final_norm, final_norm_2}, {});
    // logits = matmul  at llama.h:70
    // 34.3 KiB, 17 kFLOP: a column's weights lie together: lanes along them
    r.dispatch(kernels::matmul_lm_head, 67, {final_norm_2, weights.lm_head, logits}, {});
  }

  // prefill: N in [1, 512], R in [1, 512], slots in [1, 16], ctx in [1, 1024]
  void entry_prefill(Recording& r) {
    const std::int64_t N = sizes[0], R = sizes[1], slots = sizes[2], ctx = sizes[3];
    const Place tok = input(0);  // (N,)
    const Place pos = input(1);  // (N,)
    const Place slot = input(2);  // (N,)
    const Place rows = input(3);  // (R,)
    const Place logits = output(0);  // (R, 265)
    Place x = scratch(131072, 65536, 4);  // (N, 32)
    Place next_x = scratch(196608, 65536, 4);  // (N, 32)
    Place attn_norm_2 = scratch(0, 65536, 4);  // (N, 32)
    Place Wq_2 = scratch(65536, 65536, 4);  // (N, 32)
    Place Wk_2 = scratch(262144, 32768, 4);  // (N, 16)
    Place v = scratch(294912, 32768, 4);  // (N, 16)
    Place q = scratch(0, 65536, 4);  // (N, 32)
    Place attention = scratch(65536, 65536, 4);  // (N, 32)
    Place residual = scratch(262144, 65536, 4);  // (N, 32)
    Place mlp_norm_2 = scratch(327680, 65536, 4);  // (N, 32)
    Place mul = scratch(0, 131072, 4);  // (N, 64)
    Place gather = scratch(0, 65536, 4);  // (R, 32)
    Place final_norm_2 = scratch(65536, 65536, 4);  // (R, 32)

    // tok_embeddings = gather  at llama.h:53
    // 99.1 KiB, 0 FLOP: lanes along a row: 128 elements a workgroup
    r.dispatch(kernels::gather_tok_embeddings_2, ceil_div(N, 4), {weights.tok_embeddings, tok, x}, {N});
    for (std::int64_t l = 0; l < 2; ++l) {
      // attn_norm = rms_norm  at llama.h:55
      // 128.1 KiB, 65.5 kFLOP: a subgroup for each short row
      r.dispatch(kernels::rms_norm_attn_norm_2, ceil_div(N, 4), {x, weights.attn_norm[l], attn_norm_2}, {N});
      // Wq = matmul; Wk = matmul; v = matmul  at llama.h:56, llama.h:57, llama.h:58
      // 200.0 KiB, 2.1 MFLOP: a column's weights lie together: lanes along them; 8 rows share each decoded weight
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          r.dispatch(kernels::matmul_Wq_Wk_Wv_3, ceil_div(N, 8) * 16, {attn_norm_2, weights.Wq[l], weights.Wk[l],
              weights.Wv[l], Wq_2, Wk_2, v}, {N});
          break;
        case 'b':
          r.dispatch(kernels::matmul_Wq_Wk_Wv_4, ceil_div(N, 8) * 16, {attn_norm_2, weights.Wq[l], weights.Wk[l],
              weights.Wv[l], Wq_2, Wk_2, v}, {N});
          break;
      }
      // q = rope  at llama.h:56
      // 130.0 KiB, 49.2 kFLOP: a workgroup for each row, a lane for each pair
      r.dispatch(kernels::rope, N, {Wq_2, pos, constants.frequencies_8_10000, q}, {});
      // k = rope; kv_write  at llama.h:57, llama.h:59
      // 132.0 KiB, 24.6 kFLOP: a workgroup for each row, a lane for each pair
      r.dispatch(kernels::rope_kv_write, N, {Wk_2, v, pos, slot, pos, constants.frequencies_8_10000,
          state.kv_keys + ctx * l * slots * 16, state.kv_values + ctx * l * slots * 16}, {ctx, slots});
      // kv_read, kv_read.1 = kv_read; attention = sdpa  at llama.h:60, llama.h:61
      // 2.13 MiB, 67.1 MFLOP: a workgroup for each row and head; one pass over the keys
      r.dispatch(kernels::attention, N * 4, {q, state.kv_keys + ctx * l * slots * 16,
          state.kv_values + ctx * l * slots * 16, pos, slot, attention}, {ctx, slots});
      // Wo = matmul; residual = add  at llama.h:62
      // 196.0 KiB, 1.06 MFLOP: a column's weights lie together: lanes along them; 8 rows share each decoded weight
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          r.dispatch(kernels::matmul_Wo_3, ceil_div(N, 8) * 8, {attention, weights.Wo[l], x, residual}, {N});
          break;
        case 'b':
          r.dispatch(kernels::matmul_Wo_4, ceil_div(N, 8) * 8, {attention, weights.Wo[l], x, residual}, {N});
          break;
      }
      // mlp_norm = rms_norm  at llama.h:64
      // 128.1 KiB, 65.5 kFLOP: a subgroup for each short row
      r.dispatch(kernels::rms_norm_mlp_norm_2, ceil_div(N, 4), {residual, weights.mlp_norm[l], mlp_norm_2}, {N});
      // Wgate = matmul; gate = silu; Wup = matmul; mul = mul  at llama.h:65, llama.h:66, llama.h:67
      // 208.0 KiB, 4.26 MFLOP: a column's weights lie together: lanes along them; 8 rows share each decoded weight
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          r.dispatch(kernels::matmul_Wgate_Wup_3, ceil_div(N, 8) * 16, {mlp_norm_2, weights.Wgate[l], weights.Wup[l],
              mul}, {N});
          break;
        case 'b':
          r.dispatch(kernels::matmul_Wgate_Wup_4, ceil_div(N, 8) * 16, {mlp_norm_2, weights.Wgate[l], weights.Wup[l],
              mul}, {N});
          break;
      }
      // Wdown = matmul; add = add  at llama.h:67
      // 264.0 KiB, 2.11 MFLOP: a column's weights lie together: lanes along them; 8 rows share each decoded weight
      switch ("ab"[l]) {  // by the dtypes of this turn's weights
        case 'a':
          r.dispatch(kernels::matmul_Wdown_3, ceil_div(N, 8) * 8, {mul, weights.Wdown[l], residual, next_x}, {N});
          break;
        case 'b':
          r.dispatch(kernels::matmul_Wdown_4, ceil_div(N, 8) * 8, {mul, weights.Wdown[l], residual, next_x}, {N});
          break;
      }
      std::swap(x, next_x);
    }
    // gather = gather  at llama.h:69
    // 130.0 KiB, 0 FLOP: lanes along a row: 128 elements a workgroup
    r.dispatch(kernels::gather_gather_2, ceil_div(R, 4), {x, rows, gather}, {N, R});
    // final_norm = rms_norm  at llama.h:69
    // 128.1 KiB, 65.5 kFLOP: a subgroup for each short row
    r.dispatch(kernels::rms_norm_final_norm_2, ceil_div(R, 4), {gather, weights.final_norm, final_norm_2}, {R});
    // logits = matmul  at llama.h:70
    // 627.1 KiB, 8.68 MFLOP: a column's weights lie together: lanes along them; 8 rows share each decoded weight
    r.dispatch(kernels::matmul_lm_head_2, ceil_div(R, 8) * 67, {final_norm_2, weights.lm_head, logits}, {R});
  }

  Weights weights = {};
  Constants constants = {};
  State state = {};
};

}  // namespace

const Description& description() {
  static const Description all = {
      .device = "lavapipe",
      .features = {"storageBuffer16BitAccess", "subgroupArithmetic", "subgroupBallot", "subgroupBasic"},
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
      .cache = {"ctx", "slots", 1024, 16},
  };
  return all;
}

std::unique_ptr<Program> make_program(const std::string& package, const Options& options) {
  return std::make_unique<Steps>(package, options);
}

}  // namespace tiny
