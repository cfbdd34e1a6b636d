// SPDX-License-Identifier: Apache-2.0
// A transformer-style decode step: metadata from the package, a cache of keys and values, a loop over the layers.
// One row for each of B sequences, all at position `step`; the mask says which positions each may attend to.
// (A real decoder also has rotary positions and an MLP: 03_llama.cpp.)
//   example_02_kv_loop model.oinf
#include <openinfer/openinfer.h>

#include <cstdio>
using namespace openinfer;

int main(int argc, char** argv) try {
  auto model = ModelLoader::open(argc > 1 ? argv[1] : "model.oinf");
  auto n_layers = model.meta<std::int64_t>("n_layers");
  auto n_kv_heads = model.meta<std::int64_t>("n_kv_heads");
  auto head_dim = model.meta<std::int64_t>("head_dim");

  Graph g = graph(model, [&](GraphBuilder& b) {
    auto B = b.dim("B", 1, 16), ctx = b.dim("ctx_len");
    auto tok = b.input("tok", i32, {B});
    auto step = b.input("step", i32, {});
    auto mask = b.input("mask", u8, {B, 1, 1, ctx});
    auto kv = b.state("kv", kv_cache({.layers = n_layers,
                                      .slots = B,
                                      .capacity = ctx,
                                      .heads = n_kv_heads,
                                      .head_dim = head_dim,
                                      .dtype = f16}));

    auto x = gather(model["tok_embeddings"], tok) | cast(f16);

    x = b.loop("l", 0, n_layers, x, [&](Index l, Value x) {
      auto h = x | rms_norm(model("attn_norm.{}", l));
      auto q = matmul(h, model("Wq.{}", l));
      auto k = matmul(h, model("Wk.{}", l));
      auto v = matmul(h, model("Wv.{}", l));

      kv_write(kv, {.layer = l, .step = step}, k, v);
      auto [k_all, v_all] = kv_read(kv, {.layer = l});

      auto a = sdpa(q, k_all, v_all, mask) % hints{.fuse = true};
      return x + matmul(a, model("Wo.{}", l));
    });

    b.output("logits", matmul(x, model["lm_head"]));
  });

  auto ctx_len = model.meta<std::int64_t>("ctx_len");
  Tensor mask(u8, {1, 1, 1, ctx_len});  // zeros: nothing visible yet

  SimSession sim(model, g);  // lazy, correctness first
  int token = 42;
  for (int step = 0; step < 4; ++step) {
    mask.mutable_data<std::uint8_t>()[step] = 1;
    auto out = sim.run_step({{"tok", {token}}, {"step", step}, {"mask", mask}});
    token = eval(argmax(GraphBuilder().constant(out["logits"]))).data<std::int32_t>()[0];
    std::printf("step %d: next token %d\n", step, token);
  }
} catch (const Error& error) {
  std::fprintf(stderr, "example: error: %s\n", error.what());
  return 1;
}
