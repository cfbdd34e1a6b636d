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

struct Int8Scale {
  Val finite, inverse, d;
};
/// Of a block whose largest element, sign aside, has those bits.
Int8Scale scale_of(kir::Build& k, const Val& top) {
  const Val largest = k.let("largest", bitcast(top, Kind::f32));
  const Val finite = k.let("finite", top < kInfinity), small = k.let("small", top < kSmallest);
  // Vulkan's division, within 2.5 ULP, is as good as any here.
  const Val inverse = k.let("inverse", select(small, 0.0, k.constant(127.0) / largest));
  const Val size = select(small, 0.0, largest * (1.0 / 127));
  return {finite, inverse, k.let("d", select(finite, size, bitcast(k.constant(kNan), Kind::f32)))};
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
  const Int8Scale s = scale_of(k_, top);
  const Slot to = blocks_.block(block);
  const Reg sum = k_.var("sum", Kind::i32), first = k_.var("first", Kind::i32);
  k_.for_lanes("j", 0, kBlock, [&](const Val& j) {
    const Val q = k_.let("q", convert(round(select(s.finite, x(j) * s.inverse, 0.0)), Kind::i32));
    to["qs"](j) = q;
    sum += q;
    first += select(j < kBlock / 2, q, 0);
  });
  const Val all = k_.let("all", k_.lane_sum(sum));
  to["d"] = s.d;
  to["d_sum"] = s.d * convert(all, Kind::f32);
  to["sum"] = all;
  to["first_sum"] = k_.let("of_first", k_.lane_sum(first));
}

int Int8Rows::vectors() const { return kBlock / k_.lanes(); }

bool has_int8_vectors(const kir::Target& target) {
  return target.lanes_are_vectors() && target.lanes >= 4 && target.lanes <= kBlock / 2;  // halves have vectors
}

void Int8Rows::store_run(const Val& row, const Val& first, const Val& end,
                         const std::function<Val(const Val& b, const Val& j)>& x) const {
  const auto one = [&](const Val& b) { store(row + b, [&](const Val& j) { return x(b, j); }); };
  if (!has_int8_vectors(k_.target())) return k_.for_("b", first, end, one);
  const auto four = [&](const Val& b) {
    const Tile y = k_.tile("y", kBlocksAtOnce * vectors(), Kind::f32);
    const auto place = [&](const Val& i) { return min(b + i, end - 1); };  // the last one again, where there are fewer
    k_.each("i", kBlocksAtOnce, [&](const Val& i) {
      const Val at = k_.let("at", place(i));
      k_.each("v", vectors(), [&](const Val& v) { y[i * vectors() + v] = x(at, v * k_.lanes() + k_.lane()); });
    });
    store_vectors(
        y, [&](const Val& i) { return i * vectors(); }, kBlocksAtOnce, [&](const Val& i) { return row + place(i); });
  };
  k_.for_("b", first, end, four, 1, kBlocksAtOnce);
}

/// The same numbers as store() makes, of four blocks together: their maxima and sums meet in a quarter of the lanes
/// each, so that there is one division and one chain of shuffles for all.
void Int8Rows::store_vectors(const Tile& y, const std::function<Val(const Val& i)>& at, int count,
                             const std::function<Val(const Val& i)>& block) const {
  const auto together = [&](const Tile& of, auto four, auto one) {
    return count == 1 ? (k_.*one)(of[0]) : (k_.*four)(of[0], of[1], of[2], of[3]);
  };
  const auto part = [&](const Val& of, const Val& i) {
    return count == 1 ? of : k_.lane_get(of, i * (k_.lanes() / kBlocksAtOnce));
  };
  const auto size = [](const Val& v) { return bitcast(abs(v), Kind::i32); };
  const Tile peak = k_.tile("peak", count, Kind::i32);
  k_.each("i", count, [&](const Val& i) {
    k_.each("v", vectors(), [&](const Val& v) { peak[i] = max(Val(peak[i]), size(y[at(i) + v])); });
  });
  const Val top = k_.let("top", together(peak, &kir::Build::lane_maxs, &kir::Build::lane_max));
  const Int8Scale s = scale_of(k_, top);
  const Val inverse = k_.let("inverse", select(s.finite, s.inverse, 0.0));
  const Tile sum = k_.tile("sum", count, Kind::f32), first = k_.tile("first", count, Kind::f32);  // whole numbers
  k_.each("i", count, [&](const Val& i) {
    const Slot to = blocks_.block(k_.let("to", block(i)));
    const Val by = k_.let("by", part(inverse, i));
    for (int v = 0; v < vectors(); ++v) {
      const Val x = y[at(i) + v];
      const Val q = k_.let("q", round(select(size(x) < kInfinity, x * by, 0.0)));
      to["qs"](v * k_.lanes() + k_.lane()) = convert(q, Kind::i32);
      sum[i] += q;
      if (v < vectors() / 2) first[i] += q;
    }
  });
  const Val all = k_.let("all", together(sum, &kir::Build::lane_sums, &kir::Build::lane_sum));
  const Val of_first = k_.let("of_first", together(first, &kir::Build::lane_sums, &kir::Build::lane_sum));
  const Val d_sum = k_.let("d_sum", s.d * all);
  k_.each("i", count, [&](const Val& i) {
    const Slot to = blocks_.block(k_.let("to", block(i)));
    to["d"] = part(s.d, i);
    to["d_sum"] = part(d_sum, i);
    to["sum"] = convert(part(all, i), Kind::i32);
    to["first_sum"] = convert(part(of_first, i), Kind::i32);
  });
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
  const auto element = [&](const Val& b, const Val& j) { return f32_of(x[row * width + b * kBlock + j]); };
  if (cpu) {
    y.store_run(row * blocks, first, k.let("end", min(first + share, blocks)), element);
  } else {
    const Val b = k.let("b", first + k.subgroup());
    k.if_(b < blocks, [&] { y.store(row * blocks + b, [&](const Val& j) { return element(b, j); }); });
  }
  return {.kernel = k.done(),
          .grid = {{what.rows, 1}, {Extent{parts}, 1}},
          .reason = "8-bit blocks for integer dot products: a subgroup for each block of 32"};
}

}  // namespace openinfer::kernels
