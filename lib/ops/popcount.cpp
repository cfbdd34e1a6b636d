// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

constexpr auto kPopcount = [](auto x) {
  using Bits = std::make_unsigned_t<decltype(x.value)>;
  return decltype(x)::of(static_cast<std::uint64_t>(std::popcount(static_cast<Bits>(x.value))));
};

/// Counts in pairs of bits, in fours, in eights; a product adds up the bytes (Warren, Hacker's Delight, 5-1).
ScalarExpr popcount_of(const ScalarExpr& bits, ScalarKind kind) {
  const auto every = [&](std::uint64_t byte) { return ScalarExpr::from_bits(kind, byte * 0x0101010101010101u); };
  const ScalarExpr pairs = bits - ((bits >> 1) & every(0x55));
  const ScalarExpr fours = (pairs & every(0x33)) + ((pairs >> 2) & every(0x33));
  const ScalarExpr eights = (fours + (fours >> 4)) & every(0x0f);
  return (eights * every(0x01)) >> (bits_of(kind) - 8);
}

/// What lies beyond the bits of a small dtype is its sign, which does not count.
Lowering lower_popcount(const InferContext& c) {
  const DType dtype = c.type(0).dtype;
  return ScalarFn([dtype](std::span<const ScalarExpr> x) {
    const ScalarKind kind = compute_kind(dtype), bits = bits_of(kind) == 64 ? ScalarKind::u64 : ScalarKind::u32;
    const ScalarExpr own = ScalarExpr::from_bits(bits, ~std::uint64_t{0} >> (64 - info(dtype).bits));
    return bit_cast(popcount_of(bit_cast(x[0], bits) & own, bits), kind);
  });
}

}  // namespace

const OpDef& popcount_op() {
  static const OpDef op = {.name = "popcount",
                           .operands = {{.name = "x"}},
                           .traits = {.elementwise = true},
                           .infer = elementwise::infer_unary<kIntegers>,
                           .reference = elementwise::reference_unary<kIntegers, decltype(kPopcount)>,
                           .lower = lower_popcount,
                           .cost = elementwise::cost<1>};
  return op;
}

Value popcount(const In& x) { return call(popcount_op(), {x}); }
Pipe popcount() { return pipe(popcount_op()); }

}  // namespace openinfer
