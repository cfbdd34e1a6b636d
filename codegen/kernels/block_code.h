// SPDX-License-Identifier: Apache-2.0
// How kernels read a stored element: one BlockCode for each block format, the only place that knows its bits.
//
// A block has `size` elements in groups that share a scale and a minimum. Element g·group + part·run + r of a block is
//   scale(g) · quant(g, part, r) + minimum(g),
// where neighbouring r lie in neighbouring bytes (or elements), so that lanes walk r.
// Source of the formats: ggml's ggml-common.h; held to the gguf library's values through lib/base/dequantize.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "codegen/kernel_ir/build.h"
#include "openinfer/dtype.h"

namespace openinfer::kernels {

struct BlockCode {
  kir::Record record;
  int size = 0;   // elements of a block
  int group = 0;  // elements that share a scale
  int run = 0;    // elements of a part; group = parts · run
  /// An f32 that is a small integer. `part` is mostly a constant.
  std::function<kir::Val(kir::Build&, const kir::Slot&, kir::Val g, kir::Val part, kir::Val r)> quant;
  std::function<kir::Val(kir::Build&, const kir::Slot&, kir::Val g)> scale;    // f32
  std::function<kir::Val(kir::Build&, const kir::Slot&, kir::Val g)> minimum;  // f32, to be added; may be absent
  /// Quants as bytes, for integer dot products: those of r = 4·word … 4·word + 3 as one i8x4, each `zero` above its
  /// quant. Signed, or 0 … 127. Absent for codebooks, whose levels are looked up one by one.
  struct Bytes {
    std::function<kir::Val(kir::Build&, const kir::Slot&, kir::Val g, kir::Val part, kir::Val word)> word = {};
    int zero = 0;
    bool is_signed = false;
    explicit operator bool() const { return static_cast<bool>(word); }
  };
  Bytes bytes = {};
  int groups() const { return size / group; }
  int parts() const { return group / run; }
};

/// The low four bits of `bits`, an i32 below 16, as the fifth bits of four bytes.
kir::Val spread_fifth_bits(kir::Build& k, const kir::Val& bits);

/// Is there a BlockCode for it?
bool has_block_code(DType dtype);
/// Does it say how quants are bytes?
bool has_byte_code(DType dtype);
/// Errors: unsupported for a format without one (the codebook formats iq1 … iq3), internal for a plain dtype.
const BlockCode& block_code(DType dtype);

/// How the rows of a matrix lie. rows: one behind the other. panel16: sixteen rows of blocks interleaved
/// (panel_code.h).
enum class Layout : std::uint8_t { rows, panel16 };

struct PanelCode;

/// A matrix of stored rows as kernels bind it: plain elements, blocks or panels, whatever the dtype.
class StoredMatrix {
 public:
  /// Declares the buffer.
  StoredMatrix(kir::Build& k, std::string_view name, DType dtype, Layout layout = Layout::rows,
               std::string_view comment = {});
  bool in_blocks() const { return code_ || panel_; }
  const BlockCode& code() const { return *code_; }
  const PanelCode& panel() const { return *panel_; }
  const kir::Mem& memory() const { return memory_; }
  /// Element `at` of the row whose first element is number `row_start`, as f32 (f64 and integers: as loaded). Any lane
  /// may ask for any place: dot products do better with code().
  kir::Val element(kir::Val row, kir::Val columns, kir::Val at) const;

 private:
  kir::Build* k_;
  const BlockCode* code_ = nullptr;
  const PanelCode* panel_ = nullptr;
  kir::Mem memory_;
};

}  // namespace openinfer::kernels
