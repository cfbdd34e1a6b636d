// SPDX-License-Identifier: Apache-2.0
#include "panel16.h"

#include <cstring>

namespace opnf {
namespace {

using std::uint64_t;

/// Where the fields of a row's block go. Numbers that the compiler sees: a reader in rows unpacks every block it uses.
/// Source: ggml's block_q4_0 … block_q8_0: scale, minimum, fifth bits, quants.
template <bool kMinimum, bool kFifth, uint64_t kQuantBytes>
struct Format {
  static constexpr uint64_t kFifthAt = kMinimum ? 4 : 2, kQuantsAt = kFifthAt + (kFifth ? 4 : 0);
  static constexpr uint64_t kBlockBytes = kQuantsAt + kQuantBytes;

  /// One row's block; move<bytes>(in the block, in the sixteen rows' bytes at that block position).
  template <class Move>
  static void deal(uint64_t row, const Move& move) {
    uint64_t at = 0;
    const auto piece = [&]<uint64_t kBytes>(uint64_t from) {
      move.template operator()<kBytes>(from, at + row * kBytes);
      at += kPanelRows * kBytes;
    };
    for (uint64_t j = 0; j < kQuantBytes; j += 4) piece.template operator()<4>(kQuantsAt + j);
    if constexpr (kFifth) piece.template operator()<4>(kFifthAt);
    piece.template operator()<2>(0);
    if constexpr (kMinimum) piece.template operator()<2>(2);
  }
};

/// f(Format) of one of the five dtypes that have panels (stored_bytes refuses the others).
template <class F>
void with_format(const DTypeInfo& dtype, const F& f) {
  if (dtype.name == "q4_0") return f(Format<false, false, 16>());
  if (dtype.name == "q4_1") return f(Format<true, false, 16>());
  if (dtype.name == "q5_0") return f(Format<false, true, 16>());
  if (dtype.name == "q5_1") return f(Format<true, true, 16>());
  if (dtype.name == "q8_0") return f(Format<false, false, 32>());
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
