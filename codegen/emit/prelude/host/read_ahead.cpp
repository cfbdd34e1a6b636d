#include "read_ahead.h"

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

namespace MODEL_NAME {
namespace {

constexpr std::uintptr_t kPiece = 2 << 20;  // a large page; between two of them it may be stopped

#ifndef MADV_POPULATE_READ  // Linux 5.14; what is older says that it knows no such advice
constexpr int MADV_POPULATE_READ = 22;
#endif

/// Does the memory have this page, and byte, of a file? mincore says so of every page to who may not write the file; a
/// read that does not wait tells the truth, but begins to read small pages of what is not there.
bool is_there(std::uintptr_t page, int file, std::uint64_t offset) {
  unsigned char there = 0;
  if (::mincore(reinterpret_cast<void*>(page), 1, &there) == 0 && (there & 1) == 0) return false;
  char byte = 0;
  const iovec to = {&byte, 1};
  return ::preadv2(file, &to, 1, static_cast<off_t>(offset), RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

/// With half of it left for all else; otherwise what is read ahead would push out what comes next.
bool memory_holds(const std::vector<ReadAhead::Place>& places) {
  std::size_t pages = 0;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const ReadAhead::Place& place : places) pages += place.bytes.size() / page;
  return pages <= static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) / 2;
}

}  // namespace

ReadAhead::ReadAhead(std::vector<Place> places) {
  if (!memory_holds(places)) return;
  try {
    reader_ = std::thread([this, places = std::move(places)] {
      bool all = true;
      for (const Place& place : places) all = read(place) && all;
      done_ = all;
    });
  } catch (const std::exception&) {  // without a thread for it, nothing is read ahead
  }
}
ReadAhead::~ReadAhead() {
  stop_ = true;
  if (reader_.joinable()) reader_.join();
}

bool ReadAhead::read(const Place& place) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<std::uintptr_t>(place.bytes.data());
  const std::uintptr_t end = (start + place.bytes.size() + page - 1) / page * page;
  bool all = true;
  for (std::uintptr_t at = start / page * page; at < end && !stop_;) {
    const std::uintptr_t next = std::min(end, (at / kPiece + 1) * kPiece);
    if (!is_there(at, place.file, place.offset + (std::max(at, start) - start)))
      all = ::madvise(reinterpret_cast<void*>(at), next - at, MADV_POPULATE_READ) == 0 && all;
    at = next;
  }
  return all && !stop_;
}

}  // namespace MODEL_NAME
