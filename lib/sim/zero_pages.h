// SPDX-License-Identifier: Apache-2.0
// Memory that is zero and costs nothing until it is written: what states live in.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace openinfer {

/// Copies the pages of `from` that are not all zeros; `to` is zero already and as long. Both are anonymous memory (of
/// mmap or calloc): pages that nobody touched are known to be zeros and stay untouched.
void copy_nonzero_pages(std::span<const std::byte> from, std::span<std::byte> to);

class ZeroPages {
 public:
  /// Errors: out_of_memory.
  explicit ZeroPages(std::size_t size);
  ~ZeroPages();
  ZeroPages(ZeroPages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  ZeroPages& operator=(ZeroPages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  std::span<std::byte> bytes() { return {data_, size_}; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Zeros again, at the same address, and the pages go back.
  void clear();

 private:
  std::size_t mapped_size() const { return size_ ? size_ : 1; }

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace openinfer
