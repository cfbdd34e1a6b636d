// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// The first word of Philox4x32-10 for the counter (low and high half of `counter`, 0, 0) and the key likewise. In 64
/// bits throughout: u64 or an expression of that kind.
/// Source: Salmon, Moraes, Dror & Shaw 2011, doi:10.1145/2063384.2063405.
template <class U>
U philox_word(const U& counter, const U& key) {
  const U mask(0xffffffffu);
  U c0 = counter & mask, c1 = counter >> 32, c2 = U(0u) & counter, c3 = c2;
  U k0 = key & mask, k1 = key >> 32;
  for (int round = 0; round < 10; ++round) {
    const U p0 = c0 * U(0xD2511F53u), p1 = c2 * U(0xCD9E8D57u);
    c0 = (p1 >> 32) ^ c1 ^ k0;
    c1 = p1 & mask;
    c2 = (p0 >> 32) ^ c3 ^ k1;
    c3 = p0 & mask;
    k0 = (k0 + U(0x9E3779B9u)) & mask;
    k1 = (k1 + U(0xBB67AE85u)) & mask;
  }
  return c0;
}

/// ⌊word · below / 2^32⌋ without a product of 96 bits.
template <class U>
U scaled_word(const U& word, const U& below) {
  return word * (below >> 32) + ((word * (below & U(0xffffffffu))) >> 32);
}

constexpr auto kRandomBelow = [](auto counter, auto seed, auto below) {
  using T = decltype(counter);
  if constexpr (std::is_same_v<T, ScalarExpr>) {
    const auto wide = [](const ScalarExpr& x) { return convert(x, ScalarKind::u64); };
    return convert(scaled_word(philox_word(wide(counter), wide(seed)), wide(below)), counter.kind());
  } else {
    return T::of(scaled_word(philox_word(counter.bits(), seed.bits()), below.bits()));
  }
};

}  // namespace

const OpDef& random_below_op() {
  static const OpDef op = [] {
    OpDef made = ternary<kUnsigned>("random_below", kRandomBelow);
    made.operands = {{.name = "counter"}, {.name = "seed"}, {.name = "below"}};
    return made;
  }();
  return op;
}

Value random_below(const In& counter, const In& seed, const In& below) {
  return call(random_below_op(), {counter, seed, below});
}

}  // namespace openinfer
