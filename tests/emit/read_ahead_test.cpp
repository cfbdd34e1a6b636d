// SPDX-License-Identifier: Apache-2.0
// Weights that emitted programs read ahead of their steps: whether the file's pages come into memory without anybody
// touching them.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>

#define MODEL_NAME read_ahead_test
#include "codegen/emit/prelude/host/read_ahead.cpp"
#undef MODEL_NAME

namespace read_ahead_test {
namespace {

constexpr std::size_t kSize = (9 << 20) + 5;  // some large pages and less than one page more

/// A file on a disk, of which the page cache knows nothing, mapped.
class ColdFile {
 public:
  ColdFile() {
    const std::string path = std::filesystem::current_path() / "read_ahead_test.bin";
    std::ofstream(path, std::ios::binary) << std::string(kSize, 'x');
    file_ = ::open(path.c_str(), O_RDONLY);
    REQUIRE(file_ >= 0);
    std::filesystem::remove(path);
    REQUIRE(::fsync(file_) == 0);
    REQUIRE(::posix_fadvise(file_, 0, 0, POSIX_FADV_DONTNEED) == 0);
    void* at = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, file_, 0);
    REQUIRE(at != MAP_FAILED);
    mapped_ = {static_cast<const std::byte*>(at), kSize};
  }
  ~ColdFile() {
    ::munmap(const_cast<std::byte*>(mapped_.data()), kSize);
    ::close(file_);
  }
  std::span<const std::byte> bytes(std::size_t from, std::size_t to) const { return mapped_.subspan(from, to - from); }
  std::size_t pages() const { return (kSize + page_ - 1) / page_; }
  /// Those from page `first` on that memory has.
  std::size_t there(std::size_t first = 0) const {
    std::vector<unsigned char> of(pages());
    REQUIRE(::mincore(const_cast<std::byte*>(mapped_.data()), kSize, of.data()) == 0);
    return static_cast<std::size_t>(std::count_if(of.begin() + static_cast<std::ptrdiff_t>(first), of.end(),
                                                  [](unsigned char page) { return (page & 1) != 0; }));
  }

 private:
  std::size_t page_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  int file_ = -1;
  std::span<const std::byte> mapped_;
};

template <class Until>
bool soon(const Until& until) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!until() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return until();
}

}  // namespace

TEST_CASE("what is on the disk comes into memory ahead of who reads it", "[host]") {
  const ColdFile file;
  if (file.there() != 0) {
    WARN("this file system keeps its files in memory: there is no disk to read from");
    return;
  }
  const ReadAhead ahead({file.bytes(0, 100), file.bytes(4097, kSize)});
  CHECK(soon([&] { return file.there() == file.pages(); }));
}

TEST_CASE("nothing to read, and an end before the end, are no trouble for what is read ahead", "[host]") {
  const ColdFile file;
  { const ReadAhead none({}); }
  { const ReadAhead empty({file.bytes(7, 7)}); }
  CHECK(file.there() == 0);
  for (int i = 0; i < 20; ++i) const ReadAhead stopped({file.bytes(0, kSize)});
}

}  // namespace read_ahead_test
