// SPDX-License-Identifier: Apache-2.0
// Panels times rows of floats: exact weights, f32 sums.
#include <algorithm>
#include <cmath>

#include "codegen/kernels/outer.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Tile;
using kir::Val;

/// Σ_j x[32·block + j] of the first row, the same in all lanes.
Val x_sum(const PanelStep& s, const Val& x_at) {
  Build& k = s.k;
  const int wide = std::min(k.lanes(), kPanelBlock);
  const kir::Reg ones = k.var("ones", Kind::f32);
  k.each("s", kPanelBlock / wide, [&](Val i) { ones += as(s.x[x_at + i * wide + k.lane_in(kPanelBlock)], Kind::f32); });
  const Val sum = k.let("x_sum", k.lane_sum(ones));
  return wide == k.lanes() ? sum : sum * (static_cast<double>(wide) / k.lanes());  // every element was there more often
}

/// f(chain, byte) for the four bytes of a word, dealt to that many chains.
void each_byte(Build& k, int chains, const std::function<void(Val chain, Val byte)>& f) {
  k.each("i", 4 / chains, [&](Val i) { k.each("c", chains, [&](Val c) { f(c, i * chains + c); }); });
}

/// Σ over the places of a word's side, each brought to its size: by powers of two, which round nothing.
Val together(Build& k, const PanelCode& code, const Tile& part, int places) {
  Val total = part[0];
  for (int p = 1; p < places; ++p) {
    const int more = code.placed_exponent(p) - code.placed_exponent(0);
    total = more == 0 ? total + part[p] : mul_add(k, part[p], k.constant(std::ldexp(1.0, -more)), total);
  }
  const int all = code.placed_exponent(0);
  return all == 0 ? total : total * std::ldexp(1.0, -all);
}

/// One row of x: quants times x where they lie, a sum for each place, the scale behind a block's sum. An x of more than
/// 2^96 would overflow where the product itself does not.
void add_row(const PanelStep& s) {
  Build& k = s.k;
  const PanelCode& code = s.code;
  const int bytes = 4 / code.sides, places = bytes * code.parts;
  const Val x_at = k.let("x_at", s.rows.start() + s.block * kPanelBlock);
  const Val ones = code.has_minimum ? x_sum(s, x_at) : Val();
  for (std::size_t v = 0; v < s.blocks.size(); ++v) {
    const PanelBlock& block = s.blocks[v];
    const Val fifth = code.fifth_bits(k, block);
    Val sum = s.sum[v];
    for (int scale = 0; scale < code.scales; ++scale) {
      const Tile part = k.tile("part", places, Kind::f32);
      const int words = code.words / code.scales;
      k.each("word", words, [&](Val w) {
        const Val number = w + scale * words;
        const Val word = k.let("quants", code.word(block, number));
        k.each("side", code.sides, [&](Val side) {
          k.each("byte", bytes, [&](Val byte) {
            k.each("half", code.parts, [&](Val half) {
              const Val q = code.placed_quant(word, fifth, number, side, byte, half);
              const Val x = as(s.x[x_at + (number * 4 + side * bytes + byte + half * 16)], Kind::f32);
              const Val place = byte * code.parts + half;
              part[place] = mul_add(k, q, x, part[place]);
            });
          });
        });
      });
      sum = mul_add(k, code.scale(block, scale), together(k, code, part, places), sum);
    }
    s.sum[v] = code.has_minimum ? mul_add(k, code.minimum(block), ones, sum) : sum;
  }
}

/// One row of x, two groups whose quants share bytes: a sum for each group and byte of a side.
void add_pair(const PanelStep& s) {
  Build& k = s.k;
  const PanelCode& code = s.code;
  const Val x_at = k.let("x_at", s.rows.start() + s.block * kPanelBlock);
  const Val ones[] = {x_sum(s, x_at), x_sum(s, k.let("x_at", x_at + kPanelBlock))};
  for (std::size_t v = 0; v < s.blocks.size(); ++v) {
    const Tile part = k.tile("part", 4, Kind::f32);
    k.each("word", code.words, [&](Val number) {
      const Val word = k.let("quants", code.grouped.pair(s.blocks[v], number));
      Val fifth[2];
      for (int odd = 0; odd < 2 && code.grouped.pair_fifth; ++odd)
        fifth[odd] = k.let("fifth", code.grouped.pair_fifth(s.blocks[v], number, odd));
      k.each("side", 2, [&](Val side) {
        k.each("byte", 2, [&](Val byte) {
          for (int odd = 0; odd < 2; ++odd) {
            const Val q = code.placed_of_pair(word, fifth[odd], side, byte, odd);
            const Val x = as(s.x[x_at + (number * 4 + side * 2 + byte + odd * kPanelBlock)], Kind::f32);
            part[byte * 2 + odd] = mul_add(k, q, x, part[byte * 2 + odd]);
          }
        });
      });
    });
    Val sum = s.sum[v];
    for (int odd = 0; odd < 2; ++odd) {
      PanelBlock block = s.blocks[v];
      block.group = block.group + odd;
      Val total = mul_add(k, part[2 + odd], k.constant(std::ldexp(1.0, -8)), part[odd]);
      if (odd == 1) total = total * std::ldexp(1.0, -4);
      sum = mul_add(k, code.minimum(block), ones[odd], mul_add(k, code.scale(block), total, sum));
    }
    s.sum[v] = sum;
  }
}

/// Several rows of x: a decoded weight meets all of them. Few rows take two chains each.
void add_rows(const PanelStep& s) {
  Build& k = s.k;
  const PanelCode& code = s.code;
  const int vectors = static_cast<int>(s.blocks.size()), chains = s.rows.count < 8 ? 2 : 1;
  for (int v = 0; v < vectors; ++v) {
    const PanelBlock& block = s.blocks[static_cast<std::size_t>(v)];
    const Val fifth = code.fifth_bits(k, block);
    const Val low = code.has_minimum ? k.let("low", code.minimum(block)) : Val();
    const Tile part = k.tile("part", s.rows.count * chains, Kind::f32);
    k.each("m", s.rows.count, [&](Val m) { part[m * chains] = s.sum[m * vectors + v]; });
    const int words = code.words / code.scales;
    for (int number_of_scale = 0; number_of_scale < code.scales; ++number_of_scale) {
      const Val scale = k.let("scale", code.scale(block, number_of_scale));
      k.for_("word", number_of_scale * words, (number_of_scale + 1) * words, [&](Val number) {
        const Val word = k.let("quants", code.word(block, number));
        const Val x_at = k.let("x_at", s.rows.start() + s.block * kPanelBlock + number * 4);
        each_byte(k, chains, [&](Val c, Val byte) {
          k.each("half", code.parts, [&](Val half) {
            const Val q = code.quant(word, fifth, number, byte, half);
            const Val w = k.let("w", code.has_minimum ? mul_add(k, scale, q, low) : scale * q);
            k.each("m", s.rows.count, [&](Val m) {
              const Val x = as(s.x[x_at + (s.rows.behind(m) + byte + half * 16)], Kind::f32);
              part[m * chains + c] = mul_add(k, w, x, part[m * chains + c]);
            });
          });
        });
      });
    }
    k.each("m", s.rows.count, [&](Val m) {
      s.sum[m * vectors + v] = chains == 1 ? Val(part[m]) : part[m * chains] + part[m * chains + 1];
    });
  }
}

}  // namespace

const Products& f32_products() {
  static const Products products = {.name = "f32",
                                    .x = {},
                                    .add = [](const PanelStep& s) { s.rows.count == 1 ? add_row(s) : add_rows(s); },
                                    .add_pair = add_pair};
  return products;
}

}  // namespace openinfer::kernels
