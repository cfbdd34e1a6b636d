// SPDX-License-Identifier: Apache-2.0
#include "panel16.h"

#include <algorithm>
#include <cstring>

// This goes over every byte of a model's weights: emitted programs compile it together with all that does little work.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3")
#endif

namespace opnf {
namespace {

using std::uint64_t;
using Words = std::uint32_t __attribute__((vector_size(16)));

constexpr uint64_t kVector = sizeof(Words), kLine = 64, kRowsAtOnce = 4;
constexpr uint64_t kCached = 16384;  // bytes of a panel that are written in several goes: they fit the first cache
constexpr uint64_t kAhead = 4096;    // bytes that are fetched before they are wanted, at least about

Words load(const std::byte* from) {
  Words words;
  std::memcpy(&words, from, sizeof words);
  return words;
}

/// Into the second cache, if there is something; the first one has the panel.
void fetch(const std::byte* from, uint64_t ahead) {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(from) + ahead), 0, 2);
}

/// Words of a, 0 to 3, and of b, 4 to 7.
template <int kFirst, int kSecond, int kThird, int kFourth>
Words pick(const Words& a, const Words& b) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, kFirst, kSecond, kThird, kFourth);
#else
  return __builtin_shuffle(a, b, Words{kFirst, kSecond, kThird, kFourth});
#endif
}

/// Words [0, kWords) of four rows, kWords ≤ 4: the first of all four, a line behind that the second of them. Sixteen
/// bytes of each row are read.
template <uint64_t kWords>
void turn(const std::byte* rows, uint64_t row_bytes, std::byte* to) {
  const Words a = load(rows), b = load(rows + row_bytes), c = load(rows + 2 * row_bytes),
              d = load(rows + 3 * row_bytes);
  const Words ab = pick<0, 4, 1, 5>(a, b), ab_behind = pick<2, 6, 3, 7>(a, b);
  const Words cd = pick<0, 4, 1, 5>(c, d), cd_behind = pick<2, 6, 3, 7>(c, d);
  const Words turned[4] = {pick<0, 1, 4, 5>(ab, cd), pick<2, 3, 6, 7>(ab, cd), pick<0, 1, 4, 5>(ab_behind, cd_behind),
                           pick<2, 3, 6, 7>(ab_behind, cd_behind)};
  for (uint64_t w = 0; w < kWords; ++w) std::memcpy(to + w * kLine, &turned[w], kVector);
}

/// Bytes [from, from + bytes) of a row's block: of sixteen rows they are dealt in pieces, row by row.
template <uint64_t kFrom, uint64_t kBytes, uint64_t kPiece = 4>
struct Field {
  static constexpr uint64_t kPanelBytes = kPanelRows * kBytes, kPieceBytes = kPiece;

  /// Of four rows' blocks, row_bytes apart: to the place of the first of them. Reads up to the block's end.
  template <uint64_t kBlockBytes>
  static void turn_to(const std::byte* rows, uint64_t row_bytes, std::byte* to) {
    constexpr uint64_t kWhole = kBytes / kVector * kVector, kRest = kBytes - kWhole;
    constexpr bool kRestTurns = kPiece == 4 && kRest > 4 && kFrom + kWhole + kVector <= kBlockBytes;
    for (uint64_t at = 0; at < kWhole; at += kVector) turn<4>(rows + kFrom + at, row_bytes, to + at * kPanelRows);
    if constexpr (kRestTurns) turn<kRest / 4>(rows + kFrom + kWhole, row_bytes, to + kWhole * kPanelRows);
    for (uint64_t at = kRestTurns ? kBytes : kWhole; at < kBytes; at += kPiece)
      for (uint64_t row = 0; row < kRowsAtOnce; ++row)
        std::memcpy(to + at * kPanelRows + row * kPiece, rows + row * row_bytes + kFrom + at, kPiece);
  }

  /// One row's block from or to its places in the sixteen rows' bytes: move<bytes>(in the block, there).
  template <class Move>
  static void deal(uint64_t row, uint64_t& at, const Move& move) {
    for (uint64_t j = 0; j < kBytes; j += kPiece, at += kPanelRows * kPiece)
      move.template operator()<kPiece>(kFrom + j, at + row * kPiece);
  }
};

/// A format's fields in the order of a panel. Numbers that the compiler sees: a reader in rows unpacks every block it
/// uses. Source: ggml's block_q4_0 … block_q6_K.
template <uint64_t kBytes, class... Fields>
struct Format {
  static constexpr uint64_t kBlockBytes = kBytes;

  /// The blocks of rows [row, row + 4) of a panel.
  static void turn_to(const std::byte* rows, uint64_t row_bytes, std::byte* panel, uint64_t row) {
    ((Fields::template turn_to<kBytes>(rows, row_bytes, panel + row * Fields::kPieceBytes),
      panel += Fields::kPanelBytes),
     ...);
  }
  template <class Move>
  static void deal(uint64_t row, const Move& move) {
    uint64_t at = 0;
    (Fields::deal(row, at, move), ...);
  }
};

/// f(Format) of one of the dtypes that have panels (stored_bytes refuses the others).
template <class F>
void with_format(const DTypeInfo& dtype, const F& f) {
  if (dtype.name == "q4_0") return f(Format<18, Field<2, 16>, Field<0, 2, 2>>());
  if (dtype.name == "q4_1") return f(Format<20, Field<4, 16>, Field<0, 2, 2>, Field<2, 2, 2>>());
  if (dtype.name == "q5_0") return f(Format<22, Field<6, 16>, Field<2, 4>, Field<0, 2, 2>>());
  if (dtype.name == "q5_1") return f(Format<24, Field<8, 16>, Field<4, 4>, Field<0, 2, 2>, Field<2, 2, 2>>());
  if (dtype.name == "q8_0") return f(Format<34, Field<2, 32>, Field<0, 2, 2>>());
  if (dtype.name == "q4_k") return f(Format<144, Field<16, 128>, Field<4, 12>, Field<0, 2, 2>, Field<2, 2, 2>>());
  if (dtype.name == "q5_k")
    return f(Format<176, Field<48, 128>, Field<16, 32>, Field<4, 12>, Field<0, 2, 2>, Field<2, 2, 2>>());
  if (dtype.name == "q6_k") return f(Format<210, Field<0, 128>, Field<128, 64>, Field<192, 16>, Field<208, 2, 2>>());
  throw Error(Code::invalid_argument, std::string(dtype.name) + " has no layout panel16");
}

}  // namespace

void to_panel16(const DTypeInfo& dtype, uint64_t blocks, const std::byte* rows, std::byte* panel) {
  with_format(dtype, [&]<class F>(F) {
    // Sixteen short streams are more than processors foresee: four rows at a time, and what lies behind them fetched.
    const uint64_t row_bytes = blocks * F::kBlockBytes;
    const uint64_t pieces = std::max<uint64_t>(1, kPanelRows * row_bytes / kCached);
    const uint64_t at_once = std::max<uint64_t>(1, kRowsAtOnce * row_bytes / pieces);
    const uint64_t ahead = kRowsAtOnce * row_bytes * std::max<uint64_t>(1, kAhead / at_once);
    for (uint64_t piece = 0; piece < pieces; ++piece)
      for (uint64_t row = 0; row < kPanelRows; row += kRowsAtOnce)
        for (uint64_t b = blocks * piece / pieces; b < blocks * (piece + 1) / pieces; ++b) {
          const std::byte* from = rows + row * row_bytes + b * F::kBlockBytes;
          for (uint64_t i = 0; i < kRowsAtOnce; ++i)
            for (uint64_t at = 0; at < F::kBlockBytes; at += kLine) fetch(from, ahead + i * row_bytes + at);
          F::turn_to(from, row_bytes, panel + b * kPanelRows * F::kBlockBytes, row);
        }
  });
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

void from_panel16(const DTypeInfo& dtype, uint64_t blocks, const std::byte* panels, uint64_t first, uint64_t count,
                  std::byte* rows) {
  with_format(dtype, [&]<class F>(F) {
    std::byte* to = rows;
    for (uint64_t row = first; row < first + count; ++row) {
      const std::byte* from = panels + row / kPanelRows * kPanelRows * blocks * F::kBlockBytes;
      for (uint64_t b = 0; b < blocks; ++b, from += kPanelRows * F::kBlockBytes, to += F::kBlockBytes)
        F::deal(row % kPanelRows, [&]<uint64_t kBytes>(uint64_t in_block, uint64_t at) {
          std::memcpy(to + in_block, from + at, kBytes);
        });
    }
  });
}

}  // namespace opnf
