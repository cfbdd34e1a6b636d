// SPDX-License-Identifier: Apache-2.0
#include "panel16.h"

#include <cstring>

namespace opnf {
namespace {

using std::uint64_t;

/// Bytes [from, from + bytes) of a row's block: of sixteen rows they are dealt in pieces, row by row.
template <uint64_t kFrom, uint64_t kBytes, uint64_t kPiece = 4>
struct Field {
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

  /// One row's block; move<bytes>(in the block, in the sixteen rows' bytes at that block position).
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
    const std::byte* from = rows;
    for (uint64_t row = 0; row < kPanelRows; ++row)
      for (uint64_t b = 0; b < blocks; ++b, from += F::kBlockBytes) {
        std::byte* to = panel + b * kPanelRows * F::kBlockBytes;
        F::deal(row, [&]<uint64_t kBytes>(uint64_t in_block, uint64_t at) {
          std::memcpy(to + at, from + in_block, kBytes);
        });
      }
  });
}

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
