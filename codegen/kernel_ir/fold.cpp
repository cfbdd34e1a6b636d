// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/fold.h"

#include <bit>
#include <cmath>
#include <limits>

namespace openinfer::kir {
namespace {

const Node* constant_of(const Kernel& k, Id id) { return k[id].op == Op::constant ? &k[id] : nullptr; }
bool is_integer_constant(const Kernel& k, Id id, std::int64_t n) {
  return constant_of(k, id) && is_integer(k[id].type.kind) && k[id].integer == n;
}
bool is_float_constant(const Kernel& k, Id id, double x) {
  return constant_of(k, id) && is_float(k[id].type.kind) && k[id].number == x && !std::signbit(k[id].number);
}

/// The low bits of `n` as an integer of that kind holds them; u64 as the int64 with the same bits.
std::int64_t wrapped(std::int64_t n, Kind kind) {
  if (kind == Kind::i32) return static_cast<std::int32_t>(static_cast<std::uint32_t>(n));
  if (kind == Kind::u32) return static_cast<std::uint32_t>(n);
  return n;
}

Node integer_node(std::int64_t n, Kind kind) {
  return {.op = Op::constant, .type = {kind, Rate::group}, .integer = wrapped(n, kind)};
}
Node boolean_node(bool b) { return {.op = Op::constant, .type = {Kind::b1, Rate::group}, .integer = b}; }

std::optional<Node> integer_result(Op op, std::int64_t a, std::int64_t b, Kind kind) {
  const auto x = static_cast<std::uint64_t>(a), y = static_cast<std::uint64_t>(b);
  const auto unsigned_result = [&](std::uint64_t n) { return integer_node(static_cast<std::int64_t>(n), kind); };
  const bool divides = a >= 0 && b > 0;  // what is negative or u64 beyond int64 is left to the device
  if (op == Op::add) return unsigned_result(x + y);
  if (op == Op::sub) return unsigned_result(x - y);
  if (op == Op::mul) return unsigned_result(x * y);
  if (op == Op::bit_and) return integer_node(a & b, kind);
  if (op == Op::bit_or) return integer_node(a | b, kind);
  if (op == Op::bit_xor) return integer_node(a ^ b, kind);
  if (op == Op::div && divides) return integer_node(a / b, kind);
  if (op == Op::mod && divides) return integer_node(a % b, kind);
  if (op == Op::shift_left && b >= 0 && b < 8 * info(kind).bytes) return unsigned_result(x << y);
  if (op == Op::shift_right && a >= 0 && b >= 0 && b < 8 * info(kind).bytes) return integer_node(a >> b, kind);
  if (kind == Kind::u64 && (a < 0 || b < 0)) return std::nullopt;
  if (op == Op::min) return integer_node(a < b ? a : b, kind);
  if (op == Op::max) return integer_node(a > b ? a : b, kind);
  if (op == Op::eq) return boolean_node(a == b);
  if (op == Op::ne) return boolean_node(a != b);
  if (op == Op::lt) return boolean_node(a < b);
  if (op == Op::le) return boolean_node(a <= b);
  return std::nullopt;
}

Folded both_constant(const Kernel& k, const Node& n) {
  const Node &a = k[n.args[0]], &b = k[n.args[1]];
  if (!is_integer(a.type.kind)) return {};  // arithmetic on numbers is left to the device's own rounding
  return {.constant = integer_result(n.op, a.integer, b.integer, a.type.kind)};
}

/// x + 0, x · 1 and their like. For floats only what is exact for -0, infinities and NaN.
Folded identity(const Kernel& k, const Node& n) {
  const Id a = n.args[0], b = n.args[1];
  const auto zero = [&](Id id) { return is_integer_constant(k, id, 0); };
  const auto one = [&](Id id) { return is_integer_constant(k, id, 1) || is_float_constant(k, id, 1); };
  const bool shift = n.op == Op::shift_left || n.op == Op::shift_right;
  if ((n.op == Op::add || n.op == Op::bit_or || n.op == Op::bit_xor) && zero(a)) return {.same = b};
  if ((n.op == Op::add || n.op == Op::sub || n.op == Op::bit_or || n.op == Op::bit_xor || shift) && zero(b))
    return {.same = a};
  if (n.op == Op::mul && one(a)) return {.same = b};
  if ((n.op == Op::mul || n.op == Op::div) && one(b)) return {.same = a};
  if (n.op == Op::mul && zero(a)) return {.same = a};
  if (n.op == Op::mul && zero(b)) return {.same = b};
  if (n.op == Op::mod && is_integer_constant(k, b, 1)) return {.constant = integer_node(0, n.type.kind)};
  return {};
}

bool is_true(const Kernel& k, Id id) { return constant_of(k, id) && k[id].integer != 0; }

Folded logical(const Kernel& k, const Node& n) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (!constant_of(k, n.args[i])) continue;
    const bool decides = is_true(k, n.args[i]) == (n.op == Op::logical_or);
    return {.same = decides ? n.args[i] : n.args[1 - i]};
  }
  return {};
}

bool is_beyond(std::int64_t n, std::int64_t size) { return n > size || n < -size; }

Folded convert_constant(const Kernel& k, const Node& n) {
  const Node& a = k[n.args[0]];
  if (a.type.kind == n.type.kind) return {.same = n.args[0]};
  if (a.op != Op::constant || !is_integer(a.type.kind) || a.type.kind == Kind::u64) return {};
  if (is_integer(n.type.kind)) return {.constant = integer_node(a.integer, n.type.kind)};
  if (n.type.kind == Kind::f32 && is_beyond(a.integer, 1 << 24)) return {};  // would round
  if (!is_float(n.type.kind) || is_beyond(a.integer, std::int64_t{1} << 53)) return {};
  return {.constant =
              Node{.op = Op::constant, .type = {n.type.kind, Rate::group}, .number = static_cast<double>(a.integer)}};
}

}  // namespace

Folded fold(const Kernel& k, const Node& n) {
  if (n.op == Op::convert) return convert_constant(k, n);
  if (n.op == Op::select) {
    if (n.args[1] == n.args[2]) return {.same = n.args[1]};
    if (constant_of(k, n.args[0])) return {.same = n.args[is_true(k, n.args[0]) ? 1 : 2]};
    return {};
  }
  if (n.op == Op::logical_and || n.op == Op::logical_or) return logical(k, n);
  if (n.op == Op::logical_not && constant_of(k, n.args[0])) return {.constant = boolean_node(!is_true(k, n.args[0]))};
  if (n.op == Op::neg && constant_of(k, n.args[0]) && is_integer(n.type.kind))
    return {.constant = integer_node(static_cast<std::int64_t>(-static_cast<std::uint64_t>(k[n.args[0]].integer)),
                                     n.type.kind)};
  if (n.op == Op::neg && constant_of(k, n.args[0]) && is_float(n.type.kind))
    return {.constant = Node{.op = Op::constant, .type = n.type, .number = -k[n.args[0]].number}};
  if (n.args.size() != 2 || !info(n.op).value || info(n.op).pinned || n.op == Op::call) return {};
  if (constant_of(k, n.args[0]) && constant_of(k, n.args[1])) {
    const Folded both = both_constant(k, n);
    if (both.constant) return both;
  }
  return identity(k, n);
}

}  // namespace openinfer::kir
