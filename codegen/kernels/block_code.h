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
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernel_ir/build.h"
#include "lib/ops/affine.h"
#include "openinfer/dtype.h"

namespace openinfer::kernels {

struct BlockCode {
  kir::Record record;
  int size = 0;   // elements of a block
  int group = 0;  // elements that share a scale
  int run = 0;    // elements of a part; group = parts · run
  /// An f32 that is a small number. `part` is mostly a constant.
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
  bool codebook = false;  // quants are entries of codebooks(k), which the kernel must be bound to
  int groups() const { return size / group; }
  int parts() const { return group / run; }
};

/// The low four bits of `bits`, an i32 below 16, as the fifth bits of four bytes.
kir::Val spread_fifth_bits(kir::Build& k, const kir::Val& bits);

/// The codebooks of iq1, iq2 and iq3 (lib/base/iq_grids.h) one behind the other, as kernels read them: a buffer of the
/// kernel's own, declared at the first call. Hosts bind it to `codebook_entries()`.
kir::Mem codebooks(kir::Build& k);
inline constexpr std::string_view kCodebooks = "iq_codebooks";
std::vector<std::uint16_t> codebook_entries();
/// Does a kernel need them to read that dtype?
bool needs_codebooks(DType dtype);

/// A dtype whose elements lie several in a byte, or as 8-bit floats: f8, packed integers, ternary digits. Stored rows
/// are whole bytes.
struct PackedCode {
  int per_byte = 1;
  /// Element `place` of the byte, as an exact f32. Both are i32.
  std::function<kir::Val(kir::Build&, kir::Val byte, kir::Val place)> value = {};
};
/// Null for other dtypes.
const PackedCode* packed_code(DType dtype);

/// Is there a BlockCode for it?
bool has_block_code(DType dtype);
/// Does it say how quants are bytes?
bool has_byte_code(DType dtype);
/// Errors: unsupported for a dtype without one.
const BlockCode& block_code(DType dtype);

/// How the rows of a matrix lie. rows: one behind the other. panel16: sixteen rows of blocks interleaved
/// (panel_code.h).
enum class Layout : std::uint8_t { rows, panel16 };

/// How integers stand for numbers: (q − zero) · scale, in buffers "<name>_scale" and "<name>_zero".
struct AffineCode {
  AffinePlaces places;
  DType scale = DType::f32;
  std::optional<DType> zero = {};
};

struct PanelCode;

// Of block_code.cpp's table: formats that stand in files of their own.
BlockCode tq1_0_code();                       // packed_code.cpp
std::map<DType, BlockCode> codebook_codes();  // codebook_code.cpp

/// A matrix of stored rows as kernels bind it: plain elements, packed ones, blocks or panels, whatever the dtype.
class StoredMatrix {
 public:
  /// Declares the buffer, and those of scale and zero point where there are such.
  StoredMatrix(kir::Build& k, std::string_view name, DType dtype, Layout layout = Layout::rows,
               std::string_view comment = {}, const std::optional<AffineCode>& affine = {});
  bool in_blocks() const { return code_ || panel_; }
  const BlockCode& code() const { return *code_; }
  /// Null but for packed elements, whose bytes are memory().
  const PackedCode* packed() const { return packed_; }
  const PanelCode& panel() const { return *panel_; }
  const kir::Mem& memory() const { return memory_; }
  /// Is memory() what elements are?
  bool is_plain() const { return !in_blocks() && !packed_ && !affine_; }
  /// Element `at` of the row whose first element is number `row_start`, as f32 (f64 and integers: as loaded). Any lane
  /// may ask for any place: dot products do better with code().
  kir::Val element(kir::Val row, kir::Val columns, kir::Val at) const;
  /// The number that element `at` of the row stands for, given what is stored there; that itself without a scale.
  kir::Val number(kir::Val stored, kir::Val row, kir::Val at) const;

 private:
  kir::Build* k_;
  const BlockCode* code_ = nullptr;
  const PanelCode* panel_ = nullptr;
  const PackedCode* packed_ = nullptr;
  std::optional<AffineCode> affine_;
  kir::Mem memory_;
  std::shared_ptr<const StoredMatrix> scale_, zero_;  // of affine_, each as one row
};

}  // namespace openinfer::kernels
