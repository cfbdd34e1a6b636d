// SPDX-License-Identifier: Apache-2.0
// One operation of Kernel IR on one lane. Values are bit patterns in the low bits of 64: an i32 as its 32 bits, an f32
// as float's, a b1 as 0 or 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

using Bits = std::uint64_t;

Bits constant_bits(const Node& constant);
/// A pure operation. Operands that it does not have may be anything; nothing comes back where the language leaves the
/// result undefined: x / 0, mod of negatives, shifts beyond the width, a float that no integer holds.
using Scalar = std::optional<Bits> (*)(Bits a, Bits b, Bits c);
/// That of a node; `kind` is that of its operands (of a select: of a and b).
Scalar scalar_of(const Node& node, Kind kind, Dot4 dot4);
/// What lies at `at` as a register holds it, and back.
Bits load_bits(Kind memory, const std::byte* at);
void store_bits(Kind memory, std::byte* at, Bits value);

}  // namespace openinfer::kir
