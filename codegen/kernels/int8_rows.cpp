// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/int8_rows.h"

namespace openinfer::kernels {
namespace {

using kir::Kind;
using kir::Record;
using kir::Reg;
using kir::Slot;
using kir::Val;

constexpr int kBlock = static_cast<int>(kInt8Block);
/// As bits of an f32: 2^-100, from which on neither 127 / x nor x / 127 leaves the normal numbers, and infinity.
constexpr std::int32_t kSmallest = 27 << 23, kInfinity = 255 << 23, kNan = kInfinity | 1 << 22;

/// Blocks of one call on a CPU: a few cache lines.
constexpr int kBlocksPerCall = 16;

/// The same bytes as int8_block(), as they are written: a quant at a time.
const Record& written_block() {
  static const Record record = {"int8_block",
                                {{"d", Kind::f32, 1},
                                 {"d_sum", Kind::f32, 1},
                                 {"sum", Kind::i32, 1},
                                 {"first_sum", Kind::i32, 1},
                                 {"qs", Kind::i8, kBlock}}};
  return record;
}

}  // namespace

const Record& int8_block() {
  static const Record record = [] {
    Record r = written_block();
    r.name = "int8_words";
    r.fields.back() = {"qs", Kind::i8x4, kBlock / 4};
    return r;
  }();
  return record;
}

Int8Rows::Int8Rows(kir::Build& k, std::string_view name)
    : k_(k), blocks_(k.out(name, written_block(), "(rows, blocks)")) {}

void Int8Rows::store(const Val& block, const std::function<Val(const Val& j)>& x) const {
  // Sizes are compared as bits: these are in order, and NaN is beyond infinity, in every language.
  const Reg peak = k_.var("peak", Kind::i32);
  k_.for_lanes("j", 0, kBlock, [&](const Val& j) { peak = max(Val(peak), bitcast(abs(x(j)), Kind::i32)); });
  const Val top = k_.let("top", k_.lane_max(peak));
  const Val largest = k_.let("largest", bitcast(top, Kind::f32));
  const Val finite = k_.let("finite", top < kInfinity), small = k_.let("small", top < kSmallest);
  // Vulkan's division, within 2.5 ULP, is as good as any here.
  const Val inverse = k_.let("inverse", select(small, 0.0, k_.constant(127.0) / largest));
  const Val size = select(small, 0.0, largest * (1.0 / 127));
  const Val d = k_.let("d", select(finite, size, bitcast(k_.constant(kNan), Kind::f32)));
  const Slot to = blocks_.block(block);
  const Reg sum = k_.var("sum", Kind::i32), first = k_.var("first", Kind::i32);
  k_.for_lanes("j", 0, kBlock, [&](const Val& j) {
    const Val q = k_.let("q", convert(round(select(finite, x(j) * inverse, 0.0)), Kind::i32));
    to["qs"](j) = q;
    sum += q;
    first += select(j < kBlock / 2, q, 0);
  });
  const Val all = k_.let("all", k_.lane_sum(sum));
  to["d"] = d;
  to["d_sum"] = d * convert(all, Kind::f32);
  to["sum"] = all;
  to["first_sum"] = k_.let("of_first", k_.lane_sum(first));
}

TemplateKernel to_int8(const kir::Target& target, const ToInt8& what) {
  kir::Build k(what.name, target);
  if (!what.width.known() || what.width.value % kInt8Block != 0) k.fail("blocks of 32 need a width that is known");
  const kir::Mem x = k.in(what.of, memory_kind(what.x), "(rows, width)");
  const Int8Rows y(k, what.to);
  const bool cpu = target.lanes_are_vectors();
  const std::int64_t width = what.width.value, blocks = width / kInt8Block;
  const int share = cpu ? kBlocksPerCall : target.subgroups;
  const std::int64_t parts = (blocks + share - 1) / share;
  const Val row = k.let("row", k.group() / parts), first = k.let("first_block", k.group() % parts * share);
  const auto one = [&](const Val& b) {
    y.store(row * blocks + b, [&](const Val& j) -> Val { return x[row * width + b * kBlock + j]; });
  };
  if (cpu) {
    k.for_("b", first, k.let("end", min(first + share, blocks)), one);
  } else {
    const Val b = k.let("b", first + k.subgroup());
    k.if_(b < blocks, [&] { one(b); });
  }
  return {.kernel = k.done(),
          .grid = {{what.rows, 1}, {Extent{parts}, 1}},
          .reason = "8-bit blocks for integer dot products: a subgroup for each block of 32"};
}

}  // namespace openinfer::kernels
