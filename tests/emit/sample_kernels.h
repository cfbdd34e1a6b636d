// SPDX-License-Identifier: Apache-2.0
// Three kernels as templates write them, for golden files and for running: the same code for every language.
#pragma once

#include "codegen/kernel_ir/build.h"

namespace openinfer::kir {

/// y[i] = silu(a[i] · b[i]) + c[i] for i < n, 256 elements a workgroup.
inline Kernel elementwise_chain(const Target& target, const std::string& name = "silu_chain") {
  Build k(name, target, {"mlp.gate: silu(mul(a, b)) + c at model.cpp:12", "fused: mul, silu, add"});
  const Mem a = k.in("a", Kind::f32, "(N)"), b = k.in("b", Kind::f32, "(N)"), c = k.in("c", Kind::f32, "(N)");
  const Mem y = k.out("y", Kind::f32, "(N)");
  const Val n = k.param("n");
  const auto exp = [&](const std::vector<Val>& x) {  // good enough here: 2^(x/ln 2) with a cubic, x in [-8, 8]
    const Val t = k.let("t", x[0] * 1.4426950408889634), whole = k.let("whole", floor(t));
    const Val f = k.let("f", t - whole);
    const Val power = bitcast((convert(whole, Kind::i32) + 127) << 23, Kind::f32);
    return power * (((f * 0.0780245 + 0.2260671) * f + 0.6957946) * f + 0.9999252);
  };
  const auto silu = [&](const std::vector<Val>& x) {
    return x[0] / (k.call("exp_cubic", {-x[0]}, exp, "e^x within 1e-4") + 1.0);
  };
  const Val first = k.let("first", k.group() * 256);
  k.for_group("i", first, min(first + 256, n), [&](Val i) {
    const Val product = k.let("product", a[i] * b[i]);
    y[i] = k.call("silu", {product}, silu, "x / (1 + e^-x)") + c[i];
  });
  return k.done();
}

/// y[row, i] = x[row, i] / sqrt(mean_i(x²) + eps) · w[i]: one workgroup a row.
inline Kernel rms_norm(const Target& target, int D, const std::string& name = "rms_norm") {
  Build k(name, target, {"rms_norm(x, w) at model.cpp:31"});
  const Mem x = k.in("x", Kind::f32, "(N, " + std::to_string(D) + ")"), w = k.in("w", Kind::f32);
  const Mem y = k.out("y", Kind::f32);
  const Val row = k.let("row", k.group() * D);
  const Reg sum = k.var("sum", Kind::f32);
  k.for_group("i", 0, D, [&](Val i) {
    const Val v = k.let("v", x[row + i]);
    sum += v * v;
  });
  const Val squares = k.group_sum("squares", sum);
  const Val scale = k.let("scale", k.constant(1.0) / sqrt(squares / static_cast<double>(D) + 1e-5));
  k.for_group("i", 0, D, [&](Val i) { y[row + i] = x[row + i] * scale * w[i]; });
  return k.done();
}

inline Record q8_0() { return {"q8_0", {{"d", Kind::f16, 1}, {"qs", Kind::i8, 32}}}; }

/// y[row] = residual[row] + Σ_k W[row, k] · x[k]: one subgroup a row; the lanes share a block, `run` neighbours each.
inline Kernel matvec_q8_0(const Target& target, int K, int run = 1, const std::string& name = "matvec_q8_0") {
  Build k(name, target, {"matmul(x, Wq) + residual at model.cpp:40"});
  const Mem w = k.in("w", q8_0()), x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
  const Mem residual = k.in("residual", Kind::f32);
  const Val n_rows = k.param("n_rows");
  const int blocks = K / 32, sharing = 32 / run, reach = std::min(sharing, target.lanes) * run;
  const Val row = k.let("row", k.subgroup_global());
  k.if_(row < n_rows, [&] {
    const Reg sum = k.var("sum", Kind::f32);
    const auto add_block = [&](Val b) {
      const Slot block = w.block(k.let("at", row * blocks + b));
      const Val first = k.let("first", k.lane_in(sharing) * run);
      const Reg part = k.var("part", Kind::f32);
      k.each("s", 32 / reach, [&](Val s) {
        k.each("r", run, [&](Val r) {
          const Val j = k.let("j", first + s * reach + r);
          part += convert(block["qs"](j), Kind::f32) * x[b * 32 + j];
        });
      });
      sum += Val(block["d"]) * Val(part);
    };
    k.for_lanes("b", 0, blocks, add_block, sharing);
    const Val total = k.let("total", k.lane_sum(sum));
    y[row] = total + residual[row];
  });
  return k.done();
}

}  // namespace openinfer::kir
