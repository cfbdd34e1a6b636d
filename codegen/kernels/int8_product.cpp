// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/int8_product.h"

#include <algorithm>

#include "codegen/kernels/int8_rows.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Slot;
using kir::Tile;
using kir::Val;

/// How the device multiplies the bytes of a format.
struct ByteProduct {
  bool raise = false;  // quants get 128 added, so that they are unsigned
  bool is_unsigned = false;
  int zero = 0;  // how far bytes are above quants

  ByteProduct(bool is_signed, int zero_of_bytes, kir::Dot4 device) : zero(zero_of_bytes) {
    raise = is_signed && device == kir::Dot4::us;
    is_unsigned = raise || (!is_signed && (device == kir::Dot4::us || device == kir::Dot4::us_sat16));
    if (raise) zero = 128;
  }
  Val weights(Build& k, const Val& bytes) const {
    if (!raise) return bytes;
    return k.call("plus_128", {bytes},
                  [](const std::vector<Val>& x) { return bitcast(bitcast(x[0], Kind::i32) ^ kTopBits, Kind::i8x4); },
                  "four signed bytes, each raised by 128", {"bytes"});
  }
  Val add(const Val& w, const Val& x, const Val& sum) const {
    return is_unsigned ? dot4_us(w, x, sum) : dot4(w, x, sum);
  }

 private:
  static constexpr std::int64_t kTopBits = static_cast<std::int32_t>(0x80808080u);
};

/// A group of a panel. Few rows of x have two chains of dots each, for what one takes.
void add_panel(const PanelStep& s) {
  Build& k = s.k;
  const PanelCode& code = s.code;
  const ByteProduct product(code.is_signed, code.zero, k.target().dot4);
  const int vectors = static_cast<int>(s.blocks.size()), chains = s.rows.count < 8 ? 2 : 1;
  const Val x_at = k.let("x_at", s.rows.start() + s.block);
  const auto x_block = [&](const Val& m) { return s.x.block(x_at + s.rows.behind(m)); };
  const auto add_scaled = [&](const PanelBlock& block, const Val& fifth, int v, int scale_number) {
    const int words = code.words / code.scales;
    const Tile dot = k.tile("dot", s.rows.count * chains, Kind::i32);
    const auto x_sum = [&](const Val& m) -> Val {
      if (code.scales == 1) return x_block(m)["sum"];
      return scale_number == 0 ? Val(x_block(m)["first_sum"]) : Val(x_block(m)["sum"]) - x_block(m)["first_sum"];
    };
    if (product.zero != 0) k.each("m", s.rows.count, [&](Val m) { dot[m * chains] = x_sum(m) * -product.zero; });
    k.each("i", words / chains, [&](Val i) {
      k.each("c", chains, [&](Val c) {
        const Val number = i * chains + c + scale_number * words, word = k.let("quants", code.word(block, number));
        k.each("half", code.parts, [&](Val half) {
          const Val q = k.let("q", product.weights(k, code.bytes(k, word, fifth, number, half)));
          k.each("m", s.rows.count, [&](Val m) {
            const Val place = m * chains + c;
            dot[place] = product.add(q, x_block(m)["qs"](number + half * 4), dot[place]);
          });
        });
      });
    });
    const Val scale = k.let("scale", code.scale(block, scale_number));
    k.each("m", s.rows.count, [&](Val m) {
      const Val total = chains == 1 ? Val(dot[m]) : dot[m * chains] + dot[m * chains + 1];
      const Val sum = s.sum[m * vectors + v];
      s.sum[m * vectors + v] = mul_add(k, convert(total, Kind::f32), scale * Val(x_block(m)["d"]), sum);
    });
  };
  for (int v = 0; v < vectors; ++v) {
    const PanelBlock& block = s.blocks[static_cast<std::size_t>(v)];
    const Val fifth = code.fifth_bits(k, block);
    for (int scale = 0; scale < code.scales; ++scale) add_scaled(block, fifth, v, scale);
    if (!code.has_minimum) continue;
    const Val low = k.let("low", code.minimum(block));
    k.each("m", s.rows.count,
           [&](Val m) { s.sum[m * vectors + v] = mul_add(k, low, x_block(m)["d_sum"], s.sum[m * vectors + v]); });
  }
}

}  // namespace

const Products& int8_products() {
  static const Products products = {.name = "int8", .x = int8_block(), .add = add_panel};
  return products;
}

void add_bytes(const ProductParts& p, std::size_t weight, Val column, const Tile& sum) {
  Build& k = p.k();
  const BlockCode& code = p.weight(weight).code();
  const ByteProduct product(code.bytes.is_signed, code.bytes.zero, k.target().dot4);
  const int words = code.run / 4;
  // A CPU's lanes stay on one group, so that what they load lies together.
  const bool one_group = k.target().lanes_are_vectors() && k.lanes() > words;
  const int sharing = one_group ? k.lanes() : std::min(words, k.lanes());
  const auto once = [&](const Val& v) { return sharing == 1 ? v : select(k.lane_in(sharing) == 0, v, 0); };
  const auto group = [&](Val b) {
    const Slot block = p.weight(weight).memory().block(k.let("at", column * (p.K() / code.size) + b / code.groups()));
    const Val g = k.let("g", b % code.groups());
    const bool halves = code.group < kInt8Block;
    const Val x_number = halves ? b / 2 : b, first_word = halves ? b % 2 * words : k.constant(0);
    const auto x_block = [&](const Val& m) {
      return p.x_memory().block(k.let("x_at", p.row(m) * (p.K() / kInt8Block) + x_number));
    };
    const Tile dot = k.tile("dot", p.tile(), Kind::i32);
    k.each("h", code.parts(), [&](Val h) {
      const auto word = [&](const Val& w) {
        const Val q = k.let("q", product.weights(k, code.bytes.word(k, block, g, h, w)));
        const Val at = k.let("word", first_word + h * words + w);
        k.each("m", p.tile(), [&](Val m) { dot[m] = product.add(q, x_block(m)["qs"](at), dot[m]); });
      };
      if (one_group) return k.for_lanes("w", 0, words, word);
      k.for_("s", 0, words / sharing, [&](Val s) { word(k.let("w", s * sharing + k.lane_in(sharing))); });
    });
    const Val scale = k.let("scale", code.scale(k, block, g));
    const Val low = code.minimum ? k.let("low", code.minimum(k, block, g)) : Val();
    k.each("m", p.tile(), [&](Val m) {
      const Slot x = x_block(m);
      const auto x_sum = [&]() -> Val {
        if (!halves) return x["sum"];
        return select(b % 2 == 0, Val(x["first_sum"]), Val(x["sum"]) - x["first_sum"]);
      };
      const Val d = k.let("d", x["d"]);
      Val total = dot[m];
      if (product.zero != 0) total = total - once(x_sum() * product.zero);
      const Val all = scale * d * convert(total, Kind::f32);
      if (!code.minimum) {
        sum[m] += all;
        return;
      }
      const Val d_sum = halves ? d * convert(x_sum(), Kind::f32) : Val(x["d_sum"]);
      sum[m] += all + once(low * d_sum);
    });
  };
  k.for_lanes("b", 0, p.K() / code.group, group, sharing);
}

}  // namespace openinfer::kernels
