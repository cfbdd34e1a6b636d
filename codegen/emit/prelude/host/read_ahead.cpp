#include "read_ahead.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>

namespace MODEL_NAME {
namespace {

constexpr std::uintptr_t kPiece = 2 << 20;  // a large page; between two of them it may be stopped

#ifndef MADV_POPULATE_READ  // Linux 5.14; what is older says that it knows no such advice
constexpr int MADV_POPULATE_READ = 22;
#endif

/// Does the memory have the page that this address is in?
bool is_there(void* page) {
  unsigned char there = 1;
  return ::mincore(page, 1, &there) != 0 || (there & 1) != 0;
}

/// With half of it left for all else; otherwise what is read ahead would push out what comes next.
bool memory_holds(const std::vector<std::span<const std::byte>>& places) {
  std::size_t pages = 0;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const std::span<const std::byte> place : places) pages += place.size() / page;
  return pages <= static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) / 2;
}

}  // namespace

ReadAhead::ReadAhead(std::vector<std::span<const std::byte>> places) {
  if (!memory_holds(places)) return;
  try {
    reader_ = std::thread([this, places = std::move(places)] {
      for (const std::span<const std::byte> place : places) read(place);
    });
  } catch (const std::exception&) {  // without a thread for it, nothing is read ahead
  }
}
ReadAhead::~ReadAhead() {
  stop_ = true;
  if (reader_.joinable()) reader_.join();
}

void ReadAhead::read(std::span<const std::byte> place) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<std::uintptr_t>(place.data());
  const std::uintptr_t end = (start + place.size() + page - 1) / page * page;
  for (std::uintptr_t at = start / page * page; at < end && !stop_;) {
    const std::uintptr_t next = std::min(end, (at / kPiece + 1) * kPiece);
    void* const piece = reinterpret_cast<void*>(at);
    if (!is_there(piece)) ::madvise(piece, next - at, MADV_POPULATE_READ);
    at = next;
  }
}

}  // namespace MODEL_NAME
