// SPDX-License-Identifier: Apache-2.0
#include "openinfer/tensor.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "lib/base/checked.h"

namespace openinfer {

std::int64_t element_count(std::span<const std::int64_t> extents) {
  for (std::int64_t e : extents)
    if (e < 0) fail(ErrorCode::invalid_argument, "[tensor] a tensor cannot have the extent {}", e);
  if (std::find(extents.begin(), extents.end(), 0) != extents.end()) return 0;
  return std::accumulate(extents.begin(), extents.end(), std::int64_t{1}, checked_multiply);
}

std::int64_t size_bytes(DType dtype, std::int64_t count) {
  const DTypeInfo& d = info(dtype);
  if (count % d.block_size != 0)
    fail(ErrorCode::invalid_argument, "[tensor] {} elements are no whole number of {} blocks of {}", count, d.name,
         d.block_size);
  return checked_multiply(count / d.block_size, d.block_bytes);
}

std::string to_string(const Extents& extents) { return fmt::format("({})", fmt::join(extents, ", ")); }

Tensor::Tensor(DType dtype, Extents shape, At at) : dtype_(dtype), shape_(std::move(shape)) {
  size_bytes_ =
      located(at, [&] { return static_cast<std::size_t>(openinfer::size_bytes(dtype_, element_count(shape_))); });
  // calloc: large zeros are the kernel's untouched pages until somebody writes them.
  auto* bytes = static_cast<std::byte*>(std::calloc(size_bytes_ ? size_bytes_ : 1, 1));
  if (!bytes)
    fail_at(at, ErrorCode::out_of_memory, "[tensor] no memory for a {} tensor {}: {} bytes", name(dtype_),
            to_string(shape_), size_bytes_);
  storage_ = std::shared_ptr<std::byte[]>(bytes, [](std::byte* p) { std::free(p); });
}

Tensor::Tensor(DType dtype, Extents shape, const void* values, std::size_t count, At at)
    : Tensor(dtype, std::move(shape), at) {
  if (static_cast<std::int64_t>(count) != element_count(shape_))
    fail_at(at, ErrorCode::shape_mismatch, "[tensor] {} values do not fill a tensor of shape {}", count,
            to_string(shape_));
  if (size_bytes_) std::memcpy(storage_.get(), values, size_bytes_);
}

std::span<std::byte> Tensor::mutable_bytes() {
  // Counting up meets those who counted down: what they read lies before what is written now. A look at the count alone
  // orders nothing.
  const std::shared_ptr<std::byte[]> held = storage_;
  if (held && held.use_count() > 2) {
    Tensor copy(dtype_, shape_, Location{});
    std::memcpy(copy.storage_.get(), storage_.get(), size_bytes_);
    storage_ = std::move(copy.storage_);
  }
  return {storage_.get(), size_bytes_};
}

void Tensor::expect(DType wanted, Location at) const {
  if (wanted != dtype_) fail_at(at, ErrorCode::dtype_mismatch, "[tensor] holds {}, not {}", name(dtype_), name(wanted));
}

bool Tensor::operator==(const Tensor& other) const {
  return dtype_ == other.dtype_ && shape_ == other.shape_ && size_bytes_ == other.size_bytes_ &&
         (size_bytes_ == 0 || std::memcmp(storage_.get(), other.storage_.get(), size_bytes_) == 0);
}

}  // namespace openinfer
