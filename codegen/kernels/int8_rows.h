// SPDX-License-Identifier: Apache-2.0
// Rows of activations in blocks of 8 bits, for integer dot products (numerics fast). 32 neighbouring elements share a
// scale:
//   x[i] ≈ d · q[i],   d = max|x| / 127,   q[i] = round(x[i] / d), ties to even, in -127 … 127
// so that |x[i] - d · q[i]| ≤ d / 2 but for roundings. Blocks without an element of 2^-100 or more are zeros. A NaN or
// an infinity makes d NaN, and with it every product that reads the block: it is not hidden.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

inline constexpr std::int64_t kInt8Block = 32;  // elements of a block
inline constexpr int kBlocksAtOnce = 4;  // that are rounded together where their elements are vectors in registers
inline constexpr std::int64_t kInt8BlockWords = 12;  // of 32 bits each: d, d · Σq, Σq, Σq of the first half, q[0 … 31]

/// One block as kernels read it: {d f32, d_sum f32, sum i32, first_sum i32, qs i8x4[8]}.
const kir::Record& int8_block();

/// Writes blocks into a buffer of a kernel under construction.
class Int8Rows {
 public:
  Int8Rows(kir::Build& k, std::string_view name);
  /// Block number `block`: lanes of the subgroup share its elements; x(j) is element j as f32, asked for twice. Not
  /// where lanes may have left.
  void store(const kir::Val& block, const std::function<kir::Val(const kir::Val& j)>& x) const;
  /// Blocks first … end - 1 behind `row`, on CPUs: four at a time. x(b, j) is element j of block row + b.
  void store_run(const kir::Val& row, const kir::Val& first, const kir::Val& end,
                 const std::function<kir::Val(const kir::Val& b, const kir::Val& j)>& x) const;
  /// `count` blocks, one or four, whose elements are in registers, of a target of four to 16 lanes: lane l of
  /// y[at(i) + v], v < vectors(), is element lanes · v + l of the block that lies at block(i).
  void store_vectors(const kir::Tile& y, const std::function<kir::Val(const kir::Val& i)>& at, int count,
                     const std::function<kir::Val(const kir::Val& i)>& block) const;
  /// Of a block.
  int vectors() const;

 private:
  kir::Build& k_;
  kir::Mem blocks_;
};

/// Does the target have vectors that Int8Rows::store_vectors takes?
bool has_int8_vectors(const kir::Target& target);

/// A kernel of its own: x (rows, width) to blocks (rows, width / 32) in the buffer `to`. The width is known.
struct ToInt8 {
  std::string name;      // of the kernel
  std::string of, to;    // of its buffers
  DType x = DType::f32;  // f32, f16 or bf16
  Extent rows, width;
};
TemplateKernel to_int8(const kir::Target& target, const ToInt8& what);

}  // namespace openinfer::kernels
