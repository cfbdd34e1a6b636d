#include "read_ahead.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <string>

namespace MODEL_NAME {
namespace {

constexpr std::uint64_t kPiece = 2 << 20;  // a large page; between two of them it may be stopped

#ifndef MADV_POPULATE_READ  // Linux 5.14; what is older says that it knows no such advice
constexpr int MADV_POPULATE_READ = 22;
#endif

/// Does the memory have this page, and byte, of a file? mincore says so of every page to who may not write the file; a
/// read that does not wait tells the truth, but begins to read small pages of what is not there.
bool is_there(std::byte* page, int file, std::uint64_t offset) {
  unsigned char there = 0;
  if (::mincore(page, 1, &there) == 0 && (there & 1) == 0) return false;
  char byte = 0;
  const iovec to = {&byte, 1};
  return ::preadv2(file, &to, 1, static_cast<off_t>(offset), RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

/// A file opened and mapped anew, from its start: what the system reads ahead by itself goes by the open file, and
/// steps that touch what they need would lead it astray.
class OwnView {
 public:
  OwnView(int file, std::uint64_t size_bytes) : size_(size_bytes) {
    const int own = ::open(("/proc/self/fd/" + std::to_string(file)).c_str(), O_RDONLY | O_CLOEXEC);
    if (own < 0) return;
    void* const at = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, own, 0);
    ::close(own);  // the mapping has the file
    if (at == MAP_FAILED) return;
    ::madvise(at, size_, MADV_HUGEPAGE);  // it is advice: nothing to check
    bytes_ = static_cast<std::byte*>(at);
  }
  ~OwnView() {
    if (bytes_) ::munmap(bytes_, size_);
  }
  OwnView(const OwnView&) = delete;
  OwnView& operator=(const OwnView&) = delete;
  bool there() const { return bytes_ != nullptr; }
  std::byte* place(std::uint64_t offset) const { return bytes_ + offset; }
  /// From a page's start on, into memory; not kept mapped, which would count as memory of the process.
  bool read(std::uint64_t from, std::uint64_t to) const {
    if (::madvise(place(from), to - from, MADV_POPULATE_READ) != 0) return false;
    ::madvise(place(from), to - from, MADV_DONTNEED);
    return true;
  }

 private:
  std::uint64_t size_;
  std::byte* bytes_ = nullptr;
};

/// With half of it left for all else; otherwise what is read ahead would push out what comes next.
bool memory_holds(const std::vector<ReadAhead::Place>& places) {
  std::size_t pages = 0;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const ReadAhead::Place& place : places) pages += place.bytes.size() / page;
  return pages <= static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) / 2;
}

/// Neighbours in a file as one: between them the disk would rest.
std::vector<ReadAhead::Place> joined(const std::vector<ReadAhead::Place>& places) {
  constexpr std::ptrdiff_t kGap = 4096;  // bytes, less than: tensors are aligned
  std::vector<ReadAhead::Place> all;
  for (const ReadAhead::Place& place : places) {
    if (!all.empty() && place.file == all.back().file) {
      const std::span<const std::byte> before = all.back().bytes;
      const std::ptrdiff_t gap = place.bytes.data() - (before.data() + before.size());
      if (0 <= gap && gap < kGap) {
        all.back().bytes = {before.data(), before.size() + static_cast<std::size_t>(gap) + place.bytes.size()};
        continue;
      }
    }
    all.push_back(place);
  }
  return all;
}

}  // namespace

ReadAhead::ReadAhead(const std::vector<Place>& places) {
  if (!memory_holds(places)) return;
  try {
    reader_ = std::thread([this, places = joined(places)] {
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
  if (place.bytes.empty()) return true;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t end = place.offset + place.bytes.size();
  const OwnView file(place.file, end);
  bool all = file.there();
  for (std::uint64_t at = place.offset / page * page; all && at < end && !stop_;) {
    const std::uint64_t next = std::min(end, (at / kPiece + 1) * kPiece);
    if (!is_there(file.place(at), place.file, at)) all = file.read(at, next);
    at = next;
  }
  return all && !stop_;
}

}  // namespace MODEL_NAME
