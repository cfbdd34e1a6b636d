// SPDX-License-Identifier: Apache-2.0
// A call of attention for tests: what goes in, what shall come out and how far off it may be.
#pragma once

#include <cstdint>
#include <vector>

#include "codegen/kernels/attention.h"
#include "template_run.h"

namespace openinfer::kernels {

/// Shapes, index vectors and the mask of one call; everything else is noise.
struct AttentionProblem {
  Attention what;
  std::int64_t N = 1, T = 1, C = 1, S = 1;  // rows, queries, keys, slots
  std::vector<double> pos = {}, slot = {};
  std::vector<double> mask = {};                // of its own shape
  std::vector<double> sinks = {}, slopes = {};  // (H), as what.sinks and what.slopes say
  bool known = true;                            // extents in the kernel, or parameters
};

struct AttentionResult {
  std::vector<double> y, bound;
};

struct AttentionOperands {
  Data q, k, v, mask;
};

/// Noise, with queries large enough for weights to differ.
AttentionOperands operands_of(const AttentionProblem& p);

/// By the definition, in f64. Of an error in f32: each score is a sum of D products, scaled, capped (tanh within 2 ULP,
/// and its slope is at most 1) and masked: off by at most δ = (D + 8) eps (Σ|q·k| scale + |mask|). Weights are then off
/// by 2 δ relatively, by exp, fading (twice a tile at most) and the sums over C keys, of which y is a quotient. In
/// bf16 scores are off by `of_bf16` more, weights and values by 2^-8 each.
AttentionResult expected(const AttentionProblem& p, const AttentionOperands& o, double of_bf16 = 0);

/// What attention() makes of it, or the two kernels of attention_parts().
Data run_kernel(const kir::Target& target, const AttentionProblem& p, const AttentionOperands& o);
Data run_in_parts(const kir::Target& target, const AttentionProblem& p, const AttentionOperands& o);

/// y is what is expected, within its bound.
void check_result(const Data& y, const AttentionResult& wanted);

/// The rows form, of one row.
Attention rows_form(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim);
/// Three rows at different positions of different slots.
AttentionProblem three_rows(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim, std::int64_t capacity);
/// `rows` neighbours of slot 1, from position 3 on; rows from `other` on are of slot 0.
AttentionProblem prompt(std::int64_t rows, std::int64_t head_dim, std::int64_t other = 1000);

/// A core's cache and that many lanes; sixteen, and dot products of pairs of bf16.
kir::Target with_lanes(int lanes);
kir::Target with_pairs();

}  // namespace openinfer::kernels
