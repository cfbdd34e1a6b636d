// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/int8_product.h"

#include <algorithm>
#include <vector>

#include "codegen/kernels/int8_rows.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
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
  /// Are sums in 16 bits faster than dots?
  static bool pays_pairs(const kir::Target& target) {
    return target.dot4 == kir::Dot4::us_sat16 && target.lanes_are_vectors();
  }
  /// Do so many products of such quants and any bytes fit them?
  bool fits_pairs(int bits, int products) const {
    return is_unsigned && products * ((1 << bits) - 1) * 128 <= INT16_MAX;
  }
  Val add(const Val& w, const Val& x, const Val& sum) const {
    return is_unsigned ? dot4_us(w, x, sum) : dot4(w, x, sum);
  }

 private:
  static constexpr std::int64_t kTopBits = static_cast<std::int32_t>(0x80808080u);
};

constexpr int kWords = kPanelBlock / 4;  // of a row's group

/// A group of panels side by side: what is loaded of x meets all of them. Few sums have two chains of dots each, for
/// what one takes.
class PanelsTimesRows {
 public:
  PanelsTimesRows(const PanelStep& s, std::size_t first)
      : s_(s),
        first_(first),
        panels_(s.side_by_side),
        vectors_(s.decoded ? s.decoded->vectors : static_cast<int>(s.blocks.size())),
        chains_(s.rows.count * panels_ < 8 ? 2 : 1),
        product_(s.code.is_signed, s.code.zero, s.k.target().dot4),
        pairs_(ByteProduct::pays_pairs(s.k.target()) && product_.fits_pairs(s.code.bits, 2 * kWords / s.code.scales)),
        x_at_(s.k.let("x_at", s.rows.start() + s.block)) {
    for (int p = 0; p < panels_ && !s.decoded; ++p) fifth_.push_back(s.code.fifth_bits(s.k, block(p)));
  }

  void add() const {
    for (int scale = 0; scale < s_.code.scales; ++scale) add_scaled(scale);
    if (!s_.code.has_minimum) return;
    std::vector<Val> low;
    for (int p = 0; p < panels_; ++p) low.push_back(s_.k.let("low", minimum(p)));
    s_.k.each("m", s_.rows.count, [&](Val m) {
      const Val d_sum = x(m)["d_sum"];
      for (int p = 0; p < panels_; ++p) {
        const Val at = sum_at(m, p);
        s_.sum[at] = mul_add(s_.k, low[static_cast<std::size_t>(p)], d_sum, s_.sum[at]);
      }
    });
  }

 private:
  const PanelBlock& block(int panel) const { return s_.blocks[first_ + static_cast<std::size_t>(panel)]; }
  Slot x(const Val& m) const { return s_.x.block(x_at_ + s_.rows.behind(m)); }
  Val sum_at(const Val& m, int panel) const { return m * vectors_ + (static_cast<int>(first_) + panel); }
  Val dot_at(const Val& m, int panel, const Val& chain) const { return (m * panels_ + panel) * chains_ + chain; }
  Val decoded(const Mem& from, int count, const Val& at, int panel) const {
    return from[s_.decoded->place(s_.decoded_group, count, at, static_cast<int>(first_) + panel)];
  }
  Val scale(int panel, int number) const {
    if (!s_.decoded) return s_.code.scale(block(panel), number);
    return decoded(s_.decoded->scales, s_.code.scales, s_.k.constant(number), panel);
  }
  Val minimum(int panel) const {
    return s_.decoded ? decoded(s_.decoded->minima, 1, s_.k.constant(0), panel) : s_.code.minimum(block(panel));
  }

  /// Σ of x's bytes that meet that scale.
  Val x_sum(const Val& m, int scale) const {
    if (s_.code.scales == 1) return x(m)["sum"];
    return scale == 0 ? Val(x(m)["first_sum"]) : Val(x(m)["sum"]) - x(m)["first_sum"];
  }

  void add_scaled(int number) const {
    Build& k = s_.k;
    const Tile dot = k.tile("dot", s_.rows.count * panels_ * chains_, Kind::i32);
    if (product_.zero != 0 && !pairs_) {
      k.each("m", s_.rows.count, [&](Val m) {
        Val start = x_sum(m, number) * -product_.zero;
        if (panels_ > 1) start = k.let("start", start);
        for (int p = 0; p < panels_; ++p) dot[dot_at(m, p, k.constant(0))] = start;
      });
    }
    const int words = (s_.decoded ? kWords : s_.code.words) / s_.code.scales;
    k.each("i", words / chains_, [&](Val i) {
      k.each("c", chains_, [&](Val c) {
        const Val word = i * chains_ + c + number * words;
        s_.decoded ? add_decoded(dot, word, c) : add_word(dot, word, c);
      });
    });
    std::vector<Val> scales;
    for (int p = 0; p < panels_; ++p) scales.push_back(k.let("scale", scale(p, number)));
    k.each("m", s_.rows.count, [&](Val m) {
      const Val d = x(m)["d"];
      Val below;
      if (product_.zero != 0 && pairs_) below = k.let("below", x_sum(m, number) * product_.zero);
      for (int p = 0; p < panels_; ++p) {
        const auto of_chain = [&](int chain) {
          const Val sum = dot[dot_at(m, p, k.constant(chain))];
          return pairs_ ? pair_sum(sum) : sum;
        };
        const Val at = sum_at(m, p);
        Val total = chains_ == 1 ? of_chain(0) : of_chain(0) + of_chain(1);
        if (product_.zero != 0 && pairs_) total = total - below;
        s_.sum[at] = mul_add(k, convert(total, Kind::f32), scales[static_cast<std::size_t>(p)] * d, s_.sum[at]);
      }
    });
  }

  /// Four quants of each part of a byte.
  void add_word(const Tile& dot, const Val& number, const Val& chain) const {
    Build& k = s_.k;
    std::vector<Val> word;
    for (int p = 0; p < panels_; ++p) word.push_back(k.let("quants", s_.code.word(block(p), number)));
    k.each("half", s_.code.parts, [&](Val half) {
      std::vector<Val> q;
      for (std::size_t p = 0; p < word.size(); ++p)
        q.push_back(k.let("q", product_.weights(k, s_.code.bytes(k, word[p], fifth_[p], number, half))));
      add_quants(dot, q, number + half * 4, chain);
    });
  }
  void add_decoded(const Tile& dot, const Val& number, const Val& chain) const {
    std::vector<Val> q;
    for (int p = 0; p < panels_; ++p)
      q.push_back(s_.k.let("q", bitcast(decoded(s_.decoded->words, kWords, number, p), Kind::i8x4)));
    add_quants(dot, q, number, chain);
  }
  void add_quants(const Tile& dot, const std::vector<Val>& q, const Val& number, const Val& chain) const {
    s_.k.each("m", s_.rows.count, [&](Val m) {
      const Val x_k = x(m)["qs"](number);
      for (int p = 0; p < panels_; ++p) {
        const Val place = dot_at(m, p, chain);
        const Val& w = q[static_cast<std::size_t>(p)];
        dot[place] = pairs_ ? pair_dots_us(w, x_k, dot[place]) : product_.add(w, x_k, dot[place]);
      }
    });
  }

  const PanelStep& s_;
  std::size_t first_;  // of the step's vectors
  int panels_, vectors_, chains_;
  ByteProduct product_;
  bool pairs_;  // dots are two sums of 16 bits each until the end of the group
  Val x_at_;
  std::vector<Val> fifth_;
};

void add_panels(const PanelStep& s) {
  if (s.decoded) return PanelsTimesRows(s, static_cast<std::size_t>(s.first_decoded)).add();
  for (std::size_t v = 0; v < s.blocks.size(); v += static_cast<std::size_t>(s.side_by_side))
    PanelsTimesRows(s, v).add();
}

/// Bytes as products take them, all scales and minima in f32.
void decode_panels(const DecodeStep& s) {
  Build& k = s.k;
  const PanelCode& code = s.code;
  const ByteProduct product(code.is_signed, code.zero, k.target().dot4);
  for (int v = 0; v < s.to.vectors; ++v) {
    const PanelBlock& block = s.blocks[static_cast<std::size_t>(v)];
    const Val fifth = code.fifth_bits(k, block);
    k.each("word", code.words, [&](const Val& number) {
      const Val word = k.let("quants", code.word(block, number));
      k.each("half", code.parts, [&](const Val& half) {
        const Val q = product.weights(k, code.bytes(k, word, fifth, number, half));
        s.to.words[s.to.place(s.group, kWords, number + half * 4, v)] = bitcast(q, Kind::i32);
      });
    });
    for (int i = 0; i < code.scales; ++i)
      s.to.scales[s.to.place(s.group, code.scales, k.constant(i), v)] = code.scale(block, i);
    if (code.has_minimum) s.to.minima[s.to.place(s.group, 1, k.constant(0), v)] = code.minimum(block);
  }
}

}  // namespace

const Products& int8_products() {
  static const Products products = {
      .name = "int8", .x = int8_block(), .add = add_panels, .side_by_side = true, .decode = decode_panels};
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
