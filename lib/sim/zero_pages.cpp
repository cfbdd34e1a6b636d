// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/zero_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "lib/base/fail.h"

namespace openinfer {

void copy_nonzero_pages(std::span<const std::byte> from, std::span<std::byte> to) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  for (std::size_t at = 0; at < from.size(); at += kZeros.size()) {
    const std::size_t count = std::min(kZeros.size(), from.size() - at);
    if (std::memcmp(from.data() + at, kZeros.data(), count) != 0) std::memcpy(to.data() + at, from.data() + at, count);
  }
}

ZeroPages::ZeroPages(std::size_t size) : size_(size) {
  // NORESERVE: capacity may exceed what the machine has, as long as nobody fills it.
  void* mapped =
      ::mmap(nullptr, mapped_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) fail(ErrorCode::out_of_memory, "no memory for {} bytes: {}", size, std::strerror(errno));
  data_ = static_cast<std::byte*>(mapped);
  // A huge page for each first position of each head would be resident hundreds of times what was written.
  ::madvise(mapped, mapped_size(), MADV_NOHUGEPAGE);
}

ZeroPages::~ZeroPages() {
  if (data_) ::munmap(data_, mapped_size());
}

void ZeroPages::clear() {
  // On Linux the next touch of a private anonymous page that was dropped finds zeros.
  if (data_ && ::madvise(data_, mapped_size(), MADV_DONTNEED) != 0) std::memset(data_, 0, size_);
}

}  // namespace openinfer
