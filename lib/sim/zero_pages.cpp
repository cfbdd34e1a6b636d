// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/zero_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "lib/base/fail.h"

namespace openinfer {

namespace {

std::uintptr_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

/// Which pages of this process's anonymous memory were ever touched: those that /proc/self/pagemap shows as present or
/// swapped out. Without that file (another kernel, a sandbox) every page counts as touched.
/// Source: Linux, Documentation/admin-guide/mm/pagemap.rst, bits 62 and 63.
class TouchedPages {
 public:
  TouchedPages() : fd_(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)), page_(page_size()) {
    std::uint64_t here = 0;  // is on a page that is surely there: a file that denies it is of no use
    if (fd_ >= 0 && (!read(address(&here) / page_, {&here, 1}) || !touched(here))) close();
  }
  ~TouchedPages() { close(); }
  TouchedPages(const TouchedPages&) = delete;
  TouchedPages& operator=(const TouchedPages&) = delete;

  /// take(from, to) for each touched page's part of [begin, end).
  template <class Take>
  void for_each(std::uintptr_t begin, std::uintptr_t end, const Take& take) const {
    std::array<std::uint64_t, 4096> entries{};
    for (std::uintptr_t at = begin; at < end;) {
      const std::uintptr_t first = at / page_, wanted = (end - 1) / page_ - first + 1;
      const std::size_t count = std::min<std::size_t>(wanted, entries.size());
      const bool known = fd_ >= 0 && read(first, {entries.data(), count});
      for (std::size_t i = 0; i < count; ++i) {
        const std::uintptr_t next = std::min(end, (first + i + 1) * page_);
        if (!known || touched(entries[i])) take(at, next);
        at = next;
      }
    }
  }

 private:
  static std::uintptr_t page_size() { return static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)); }
  static bool touched(std::uint64_t entry) { return entry >> 62 != 0; }
  bool read(std::uintptr_t first, std::span<std::uint64_t> entries) const {
    return ::pread(fd_, entries.data(), entries.size_bytes(), static_cast<off_t>(first * sizeof(std::uint64_t))) ==
           static_cast<ssize_t>(entries.size_bytes());
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  int fd_;
  std::uintptr_t page_;
};

}  // namespace

void copy_nonzero_pages(std::span<const std::byte> from, std::span<std::byte> to) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  if (from.empty()) return;
  const std::uintptr_t begin = address(from.data());
  TouchedPages().for_each(begin, begin + from.size(), [&](std::uintptr_t first, std::uintptr_t end) {
    for (std::size_t at = first - begin; at < end - begin; at += kZeros.size()) {  // systems have pages of 64 KiB too
      const std::size_t count = std::min(kZeros.size(), end - begin - at);
      if (std::memcmp(from.data() + at, kZeros.data(), count) != 0)
        std::memcpy(to.data() + at, from.data() + at, count);
    }
  });
}

ZeroPages::ZeroPages(std::size_t size) : size_(size) {
  // NORESERVE: capacity may exceed what the machine has, as long as nobody fills it.
  void* mapped =
      ::mmap(nullptr, mapped_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    fail(ErrorCode::out_of_memory, "[session] no memory for {} bytes: {}", size, std::strerror(errno));
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
