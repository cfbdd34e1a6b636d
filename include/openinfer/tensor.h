// SPDX-License-Identifier: Apache-2.0
// Concrete tensors in host memory: what a session takes, gives and computes with. Row-major, no strides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "openinfer/dtype.h"
#include "openinfer/half.h"
#include "openinfer/location.h"

namespace openinfer {

using Extents = std::vector<std::int64_t>;
/// The product of the extents: 1 for a scalar, 0 if any of them is 0. Errors: invalid_argument on a negative extent or
/// overflow.
std::int64_t element_count(std::span<const std::int64_t> extents);
/// Bytes of `count` elements. Errors: invalid_argument if a block or packed dtype does not divide evenly.
std::int64_t size_bytes(DType dtype, std::int64_t count);
std::string to_string(const Extents& extents);  // "(3, 576)"

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>)
    return DType::boolean;
  else if constexpr (std::is_same_v<T, Half>)
    return DType::f16;
  else if constexpr (std::is_same_v<T, BFloat16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else {
    static_assert(std::is_integral_v<T>, "no dtype for this type");
    constexpr DType kSigned[] = {DType::i8, DType::i16, DType::i32, DType::i64};
    constexpr DType kUnsigned[] = {DType::u8, DType::u16, DType::u32, DType::u64};
    constexpr int row = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return std::is_signed_v<T> ? kSigned[row] : kUnsigned[row];
  }
}

/// A view of constant bytes with a dtype and a logical shape; owns nothing.
/// `transposed`: the bytes are stored with the last two dimensions swapped (blocks run along the last *stored* one).
/// Only operands declared `stored` (see op_def.h) ever see it; everything else is dense and row-major.
struct TensorView {
  DType dtype = DType::f32;
  Extents shape;
  const std::byte* data = nullptr;
  bool transposed = false;

  std::int64_t count() const { return element_count(shape); }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
};

/// The same for bytes that may be written.
struct TensorSpan {
  DType dtype = DType::f32;
  Extents shape;
  std::byte* data = nullptr;

  std::int64_t count() const { return element_count(shape); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

/// An owning tensor: a value type whose copies share bytes until one of them is written.
class Tensor {
 public:
  Tensor() = default;
  /// Zeros. Errors: invalid_argument for negative extents, overflow, partial blocks; out_of_memory.
  Tensor(DType dtype, Extents shape, At at = {});
  /// Errors: shape_mismatch if the values do not fill the shape.
  template <class T>
  requires(!std::is_same_v<T, bool>) Tensor(const std::vector<T>& values, Extents shape, At at = {})
      : Tensor(dtype_of<T>(), std::move(shape), values.data(), values.size(), at) {}
  template <class T>
  Tensor(std::initializer_list<T> values)
      : Tensor(dtype_of<T>(), {static_cast<std::int64_t>(values.size())}, values.begin(), values.size(), Location{}) {}
  template <class T>
  requires std::is_arithmetic_v<T>
  static Tensor scalar(T value) { return Tensor(dtype_of<T>(), {}, &value, 1, Location{}); }

  DType dtype() const { return dtype_; }
  const Extents& shape() const { return shape_; }
  std::int64_t count() const { return element_count(shape_); }
  std::span<const std::byte> bytes() const { return {storage_.get(), size_bytes_}; }
  std::span<std::byte> mutable_bytes();  // copies first if the bytes are shared

  /// Typed access. Errors: dtype_mismatch if T is not the tensor's dtype.
  template <class T>
  std::span<const T> data(At at = {}) const {
    expect(dtype_of<T>(), at);
    return {reinterpret_cast<const T*>(storage_.get()), static_cast<std::size_t>(count())};
  }
  template <class T>
  std::span<T> mutable_data(At at = {}) {
    expect(dtype_of<T>(), at);
    return {reinterpret_cast<T*>(mutable_bytes().data()), static_cast<std::size_t>(count())};
  }

  TensorView view() const { return {dtype_, shape_, storage_.get(), false}; }
  TensorSpan span() { return {dtype_, shape_, mutable_bytes().data()}; }
  /// Same dtype, shape and bytes.
  bool operator==(const Tensor& other) const;

 private:
  Tensor(DType dtype, Extents shape, const void* values, std::size_t count, At at);
  void expect(DType wanted, Location at) const;

  DType dtype_ = DType::f32;
  Extents shape_ = {0};
  std::size_t size_bytes_ = 0;
  std::shared_ptr<std::byte[]> storage_;
};

}  // namespace openinfer
