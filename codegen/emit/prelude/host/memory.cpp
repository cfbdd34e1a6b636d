#include "memory.h"

#include <sys/mman.h>

#include <utility>

namespace MODEL_NAME {

Memory::Memory(std::int64_t size_bytes, std::string_view remedy) : size_bytes_(size_bytes) {
  if (size_bytes == 0) return;
  void* pages =
      ::mmap(nullptr, static_cast<std::size_t>(size_bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) fail(Reason::memory, "no memory for ", size_bytes, " bytes: ", remedy);
  data_ = static_cast<std::byte*>(pages);
}
Memory::Memory(Memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}
Memory::~Memory() {
  if (data_) ::munmap(data_, static_cast<std::size_t>(size_bytes_));
}
void Memory::clear() {
  if (!data_) return;
  // Fresh pages in the place of the old ones: what nobody writes takes no memory.
  void* pages = ::mmap(data_, static_cast<std::size_t>(size_bytes_), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (pages == MAP_FAILED) fail(Reason::memory, "no memory for ", size_bytes_, " bytes");
}

}  // namespace MODEL_NAME
