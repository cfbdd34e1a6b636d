// SPDX-License-Identifier: Apache-2.0
#include "heap.h"

#include <malloc.h>

#include <atomic>
#include <cstddef>

#include "tests/sanitizers.h"

#if defined(__GLIBC__) && !UNDER_ASAN && !UNDER_TSAN
#define HEAP_COUNTS
#endif

namespace {

std::atomic<std::int64_t> held{0}, most{0};

}  // namespace

namespace heap {

std::int64_t now() { return held; }
std::int64_t peak() { return most; }
void reset_peak() { most = held.load(); }

}  // namespace heap

#ifdef HEAP_COUNTS
bool heap::counts() { return true; }

namespace {

void* taken(void* block) {
  const std::int64_t total = held += static_cast<std::int64_t>(::malloc_usable_size(block));
  std::int64_t peak = most;
  while (total > peak && !most.compare_exchange_weak(peak, total)) {
  }
  return block;
}
void given(void* block) { held -= static_cast<std::int64_t>(::malloc_usable_size(block)); }

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t size) { return taken(__libc_malloc(size)); }
void* calloc(std::size_t count, std::size_t size) { return taken(__libc_calloc(count, size)); }
void* realloc(void* block, std::size_t size) {
  given(block);
  return taken(__libc_realloc(block, size));
}
void* memalign(std::size_t alignment, std::size_t size) { return taken(__libc_memalign(alignment, size)); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return taken(__libc_memalign(alignment, size)); }
int posix_memalign(void** to, std::size_t alignment, std::size_t size) {
  *to = taken(__libc_memalign(alignment, size));
  return *to ? 0 : 12;  // ENOMEM
}
void free(void* block) {
  given(block);
  __libc_free(block);
}
}
#else
bool heap::counts() { return false; }
#endif
