// SPDX-License-Identifier: Apache-2.0
// Weights that emitted programs read ahead of their steps: whether the file's pages come into memory without anybody
// touching them.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
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
  ReadAhead::Place place(std::size_t from, std::size_t to) const {
    return {mapped_.subspan(from, to - from), file_, from};
  }
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
  const ReadAhead ahead({file.place(0, 100), file.place(4097, kSize)});
  CHECK(soon([&] { return file.there() == file.pages(); }));
}

TEST_CASE("neighbours in a file are read as one, files each for itself", "[host]") {
  const ColdFile file, other;
  const std::vector<ReadAhead::Place> places = {file.place(0, 100),       file.place(128, 3 << 20),
                                                other.place(3 << 20, kSize), file.place(3 << 20, kSize)};
  const std::vector<ReadAhead::Place> as_one = joined(places);
  REQUIRE(as_one.size() == 3);
  CHECK(as_one[0].bytes.data() == places[0].bytes.data());
  CHECK(as_one[0].bytes.size() == 3 << 20);
  CHECK(joined({file.place(0, 100), file.place(100 + 4095, kSize)}).size() == 1);
  CHECK(joined({file.place(0, 100), file.place(100 + 4096, kSize)}).size() == 2);
  CHECK(joined({file.place(0, 100), file.place(50, kSize)}).size() == 2);
  if (file.there() != 0) {
    WARN("this file system keeps its files in memory: there is no disk to read from");
    return;
  }
  const ReadAhead ahead(places);
  CHECK(soon([&] { return file.there() == file.pages(); }));
  CHECK(soon([&] { return other.there((3 << 20) / 4096) == other.pages() - (3 << 20) / 4096; }));
  CHECK(soon([&] { return ahead.done(); }));
}

TEST_CASE("who may only read a package has it read ahead too", "[host]") {
  const ColdFile file;
  if (file.there() != 0 || ::geteuid() != 0) {
    WARN("skipped: it takes a disk, and a user who can become another one");
    return;
  }
  int until[2];
  REQUIRE(::pipe(until) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(until[1]);
    char none = 0;
    const bool other = ::setresuid(65534, 65534, 65534) == 0;
    const ReadAhead ahead({file.place(0, kSize)});
    ::_exit(other && ::read(until[0], &none, 1) == 0 ? 0 : 1);
  }
  REQUIRE(child > 0);
  ::close(until[0]);
  CHECK(soon([&] { return file.there() == file.pages(); }));
  ::close(until[1]);
  int ended = -1;
  CHECK((::waitpid(child, &ended, 0) == child && ended == 0));
}

TEST_CASE("nothing to read, and an end before the end, are no trouble for what is read ahead", "[host]") {
  const ColdFile file;
  { const ReadAhead none({}); }
  { const ReadAhead empty({file.place(7, 7)}); }
  CHECK(file.there() == 0);
  for (int i = 0; i < 20; ++i) const ReadAhead stopped({file.place(0, kSize)});
}

}  // namespace read_ahead_test
