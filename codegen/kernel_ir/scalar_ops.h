// SPDX-License-Identifier: Apache-2.0
// One operation of Kernel IR on one lane. Values are bit patterns in the low bits of 64: an i32 as its 32 bits, an f32
// as float's, a b1 as 0 or 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

using Bits = std::uint64_t;

Bits constant_bits(const Node& constant);
/// The result of a pure operation; `kind` is that of its operands (of a select: of a and b). Nothing where the language
/// leaves it undefined: x / 0, mod of negatives, shifts beyond the width, a float that no integer holds.
std::optional<Bits> compute(const Node& node, Kind kind, Dot4 dot4, std::span<const Bits> args);
/// What lies at `at` as a register holds it, and back.
Bits load_bits(Kind memory, const std::byte* at);
void store_bits(Kind memory, std::byte* at, Bits value);

}  // namespace openinfer::kir
