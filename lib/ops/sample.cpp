// SPDX-License-Identifier: Apache-2.0
// A token for each row of logits, drawn in whole numbers: weights, their running sums and the random number are
// integers, so that every backend draws the same one.
#include <cmath>
#include <numbers>

#include "lib/base/fail.h"
#include "lib/ops/compose.h"
#include "lib/ops/dtypes.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// So that 2^16 times the sum of all weights, 2^28 at most each, fits 64 bits.
constexpr std::int64_t kMostTokens = 1 << 20;

/// Candidates of each row: logits, and which tokens they are if they are not all in order.
struct Candidates {
  Value logits;
  std::optional<Value> tokens;
};

void check_sampling(const Value& logits, const Sampling& o, Location at) {
  if (!is_float(logits.dtype()))  // [C1]
    fail_at(at, ErrorCode::dtype_mismatch, "[sample] takes {}, not {} {}", dtype_names(kFloats), described(logits),
            logits.type().to_string());
  const Shape shape = logits.shape();
  if (shape.size() != 2 || !shape[1].is_constant() || shape[1].constant() < 1 || shape[1].constant() >= kMostTokens)
    fail_at(at, ErrorCode::shape_mismatch, "[sample] logits are (N, V) with a known V below {}, not {} {}", kMostTokens,
            described(logits), to_string(shape));                              // [C2]
  if (!(o.temperature >= 0) || !(o.top_p > 0 && o.top_p <= 1) || o.top_k < 0)  // [C3]
    fail_at(at, ErrorCode::invalid_argument,
            "[sample] temperature {} is not 0 or more, or top_p {} not within 0 and 1, or top_k {} negative",
            o.temperature, o.top_p, o.top_k);
}

Candidates candidates_of(const Value& logits, const Sampling& o, Location at) {
  const std::int64_t V = logits.shape()[1].constant();
  if (o.top_k > 0 && o.top_k < V) {
    const auto [values, tokens] = top_k(In(logits, at), o.top_k);
    return {values, tokens};
  }
  if (o.top_p >= 1) return {logits, std::nullopt};
  const auto [values, tokens] = sort(In(logits, at), {.descending = true});
  return {values, tokens};
}

/// u64 (N, K): 2^28 · 2^((logit - largest) · log2(e) / temperature), in steps of 2^-16 of the exponent.
Value weights_of(const Value& logits, double temperature, Location at) {
  const Value x = cast(In(logits, at), f32);
  const Value top = max(In(x, at), Over{.axes = {1}, .keepdims = true});
  const double scale = 65536 * std::numbers::log2e / temperature;
  // One subtraction and one product, each rounded once everywhere: nothing that could be contracted.
  const Value below = sub(In(x, at), In(top, at));
  const Value steps = cast(In(mul(In(below, at), In(static_cast<float>(scale), at)), at), i32);
  return cast(In(fixed_exp2(In(steps, at)), at), u64);
}

/// The weights of the first candidates that together have more than top_p of the whole; the others 0.
Value nucleus(const Value& weights, const Value& sums, double top_p, Location at) {
  const Value whole = sum(In(weights, at), Over{.axes = {1}, .keepdims = true});
  const auto share = static_cast<std::int64_t>(std::ceil(top_p * 65536));
  const Value before = mul(In(sub(In(sums, at), In(weights, at)), at), In(65536, at));
  const Value kept = lt(In(before, at), In(mul(In(whole, at), In(share, at)), at));
  return mul(In(weights, at), In(cast(In(kept, at), u64), at));
}

}  // namespace

Value sample(const In& logits_in, const In& step, const In& seed, const Sampling& o) {
  const Location at = logits_in.at();
  const Value logits = value_in("sample", logits_in, {step, seed});
  check_sampling(logits, o, at);
  if (o.temperature == 0) return argmax(In(logits, at));
  const Candidates candidates = candidates_of(logits, o, at);
  Value weights = weights_of(candidates.logits, o.temperature, at);
  Value sums = cumsum(In(weights, at));
  if (o.top_p < 1) {
    weights = nucleus(weights, sums, o.top_p, at);
    sums = cumsum(In(weights, at));
  }
  const Dim N = logits.shape()[0];
  const Value row = iota_beside(logits, {N, 1}, 0, u64, at);
  const auto whole_number = [&](const In& x) { return In(cast(In(value_in("sample", x, {logits_in}), at), u64), at); };
  // The counter is 2^32 · step + row.
  const Value counter = add(In(mul(whole_number(step), In(std::int64_t{1} << 32, at)), at), In(row, at));
  const Value whole = sum(In(weights, at), Over{.axes = {1}, .keepdims = true});
  const Value drawn = random_below(In(counter, at), whole_number(seed), In(whole, at));
  const Value passed = cast(In(le(In(sums, at), In(drawn, at)), at), i32);
  const Value place = sum(In(passed, at), Over{.axes = {1}, .keepdims = true});
  if (!candidates.tokens) return reshape(In(place, at), {N});
  const Shape shape = candidates.tokens->shape();
  const Value here = eq(In(iota_beside(logits, {shape[1]}, 0, i32, at), at), In(place, at));
  const Value token = mul(In(cast(In(here, at), i32), at), In(*candidates.tokens, at));
  return sum(In(token, at), Over{.axes = {1}});
}

}  // namespace openinfer
