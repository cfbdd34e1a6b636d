// SPDX-License-Identifier: Apache-2.0
// Elements that share bytes: packed integers and ternary digits, 8-bit floats, and tq1_0, whose digits are packed too.
// lib/base/codec_plain.h and codec_k.h give the same values.
#include <map>
#include <string>

#include "codegen/kernels/block_code.h"
#include "openinfer/dtype.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Slot;
using kir::Val;

PackedCode packed_integer(int bits, bool is_signed) {
  return {.per_byte = 8 / bits, .value = [=](Build&, const Val& byte, const Val& place) {
            // The element's bits at the top of the word, then back: its sign comes along, or zeros.
            const int mask = (1 << bits) - 1;
            if (is_signed) return convert((byte << ((32 - bits) - place * bits)) >> (32 - bits), Kind::f32);
            return convert((byte >> (place * bits)) & mask, Kind::f32);
          }};
}

/// Five base-3 digits, the lowest first.
Val base3_digit(Build& k, const Val& byte, const Val& place) {
  return k.call("base3_digit", {byte, place},
                [](const std::vector<Val>& x) {
                  Val power = select(x[1] < 1, x[0], x[0] / 3);
                  power = select(x[1] < 2, power, x[0] / 9);
                  power = select(x[1] < 3, power, x[0] / 27);
                  power = select(x[1] < 4, power, x[0] / 81);
                  return convert(power % 3 - 1, Kind::f32);
                },
                "digit of a byte to the base of 3, less 1", {"byte", "place"});
}

/// No infinities; NaN where all bits of exponent and mantissa are set. Nothing on the way is a denormal f32.
Val f8e4m3(Build& k, const Val& byte) {
  return k.call("f8e4m3_value", {byte},
                [&k](const std::vector<Val>& x) {
                  const Val magnitude = x[0] & 127;
                  const Val normal =
                      bitcast((magnitude << 20) + (120 << 23), Kind::f32);  // exponents 7 and 127 mean the same
                  const Val small = convert(magnitude, Kind::f32) * 0x1p-9;
                  const Val finite = select(magnitude < 8, small, normal);
                  const Val size = select(magnitude == 127, bitcast(k.constant(0x7fc00000), Kind::f32), finite);
                  return select(x[0] < 128, size, -size);
                },
                "f8e4m3: bias 7, S.1111.111 is NaN", {"byte"});
}
/// IEEE-like, bias 15.
Val f8e5m2(Build& k, const Val& byte) {
  return k.call("f8e5m2_value", {byte},
                [](const std::vector<Val>& x) {
                  const Val magnitude = x[0] & 127;
                  const Val normal = bitcast((magnitude << 21) + (112 << 23), Kind::f32);
                  const Val special =
                      bitcast((magnitude << 21) | (255 << 23), Kind::f32);  // infinity, and NaN above it
                  const Val small = convert(magnitude, Kind::f32) * 0x1p-16;
                  const Val size = select(magnitude < 4, small, select(magnitude < 124, normal, special));
                  return select(x[0] < 128, size, -size);
                },
                "f8e5m2: bias 15, infinities and NaN as IEEE's", {"byte"});
}

std::map<DType, PackedCode> all_packed_codes() {
  return {{DType::i1, packed_integer(1, true)},
          {DType::i2, packed_integer(2, true)},
          {DType::i4, packed_integer(4, true)},
          {DType::u1, packed_integer(1, false)},
          {DType::u2, packed_integer(2, false)},
          {DType::u4, packed_integer(4, false)},
          {DType::t1, {.per_byte = 5, .value = base3_digit}},
          {DType::t2,
           {.per_byte = 4,
            .value = [](Build&, const Val& byte,
                        const Val& place) { return convert(((byte >> (place * 2)) & 3) - 1, Kind::f32); }}},
          {DType::f8e4m3, {.value = [](Build& k, const Val& byte, const Val&) { return f8e4m3(k, byte); }}},
          {DType::f8e5m2, {.value = [](Build& k, const Val& byte, const Val&) { return f8e5m2(k, byte); }}}};
}

}  // namespace

const PackedCode* packed_code(DType dtype) {
  static const std::map<DType, PackedCode> all = all_packed_codes();
  const auto found = all.find(dtype);
  return found == all.end() ? nullptr : &found->second;
}

/// Sixteen parts of sixteen elements: digits 0 … 4 of 32 bytes, of the next 16, and digits 0 … 3 of the last 4. A digit
/// is the byte's highest behind those before it: the byte is a fraction of 256.
BlockCode tq1_0_code() {
  return {.record = {"tq1_0", {{"qs", Kind::u8, 52}, {"d", Kind::f16, 1}}},
          .size = 256,
          .group = 256,
          .run = 16,
          .quant =
              [](Build& k, const Slot& b, const Val&, const Val& part, const Val& r) {
                const Val place = select(part < 10, part % 2 * 16 + r, select(part < 15, 32 + r, 48 + (r & 3)));
                const Val digit = select(part < 10, part / 2, select(part < 15, part - 10, r / 4));
                const Val byte = k.let("byte", convert(b["qs"](place), Kind::i32));
                const Val low = select(digit < 2, select(digit < 1, k.constant(1), k.constant(3)), k.constant(9));
                const Val power = select(digit < 3, low, select(digit < 4, k.constant(27), k.constant(81)));
                return convert(((((byte * power) & 255) * 3) >> 8) - 1, Kind::f32);
              },
          .scale = [](Build&, const Slot& b, const Val&) -> Val { return b["d"]; },
          .minimum = {}};
}

}  // namespace openinfer::kernels
