// SPDX-License-Identifier: Apache-2.0
// Runs what a template made in the interpreter: buffers by name, as numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// Elements of a plain dtype (or raw bytes of blocks) in memory.
class Data {
 public:
  Data() = default;
  Data(DType dtype, std::int64_t count) : dtype_(dtype) { bytes_.resize(static_cast<std::size_t>(count * width())); }
  Data(DType dtype, const std::vector<double>& values);
  explicit Data(std::vector<std::byte> blocks) : bytes_(std::move(blocks)) {}
  std::int64_t count() const { return static_cast<std::int64_t>(bytes_.size()) / width(); }
  double operator[](std::int64_t i) const;
  void set(std::int64_t i, double value);
  std::vector<double> values() const;
  bool has_nan() const;
  bool same_bits(const Data& other) const;
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::int64_t width() const { return info(dtype_).block_bytes; }
  DType dtype_ = DType::u8;
  std::vector<std::byte> bytes_;
};

/// What lies before an axis, the axis, and what lies behind it.
struct Shape3 {
  std::int64_t O, J, I;
  std::int64_t count() const { return O * J * I; }
};

/// Do kernels run on a device, whose driver takes about a second to compile a product over panels? Else in the
/// interpreter.
bool on_a_device();
/// There, in the quick run: a shader for each kind of kernel, each stored format and each dtype, and not one for each
/// of their sizes as well (those: ctest -L matrix -R emit_vulkan_every_target).
bool few_shaders();
/// Under a sanitizer: those of stored formats whose code has something that no other's has, minima, bytes, blocks of
/// 256 and their scales of six bits, and not each format at each size.
bool is_looked_at(DType dtype);

/// Lanes x subgroups: 1x1, 16x1, 8x1, 8x4, 32x4, 64x2.
const std::vector<kir::Target>& targets();

using Buffers = std::map<std::string, Data>;
/// Runs all workgroups of the grid. A buffer of the kernel that `buffers` lacks is a failed test, as is a race, an
/// access outside, or a parameter without a value.
void run(const TemplateKernel& t, Buffers& buffers, const std::map<std::string, std::int64_t>& params = {});

/// Numbers in [-1, 1), the same for the same seed.
std::vector<double> noise(std::int64_t count, std::uint32_t seed = 1);
/// The largest |a - b|; infinity where one is NaN, or an infinity, and the other is not the same.
double distance(const std::vector<double>& a, const std::vector<double>& b);
/// What storing one number of the dtype costs at most, relative to it.
double rounding(DType dtype);

}  // namespace openinfer::kernels
