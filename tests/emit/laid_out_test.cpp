// SPDX-License-Identifier: Apache-2.0
// Weights that emitted programs lay out from a mapped file: what comes to lie in their places, and which pages are
// given back on the way.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "formats/opnf/panel16.h"

#define MODEL_NAME laid_out_test
#include "codegen/emit/prelude/host/laid_out.cpp"
#include "codegen/emit/prelude/host/memory.cpp"
#include "codegen/emit/prelude/host/read_ahead.cpp"
#undef MODEL_NAME

namespace laid_out_test {
namespace {

const std::uint64_t kPage = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
constexpr std::uint64_t kLarge = 2 << 20,
                        kBefore = 64 << 10;  // bytes: a large page, what lies before the tensor in one
constexpr std::uint64_t kBlocks = 3 << 12, kPanel = 16 * kBlocks * 34;  // of q8_0: three large pages and some
constexpr std::uint64_t kPanels = 3, kSize = kPanels * kPanel;

std::vector<std::byte> weights() {
  std::vector<std::byte> bytes(kSize);
  for (std::size_t i = 0; i < kSize; ++i) bytes[i] = static_cast<std::byte>(i * 79 >> 4 ^ i >> 13);
  return bytes;
}

/// In one large page: memory that somebody wrote and no file has, then a tensor, mapped.
class MappedTensor {
 public:
  MappedTensor() {
    const std::vector<std::byte> bytes = weights();
    const std::string path = std::filesystem::current_path() / "laid_out_test.bin";
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), kSize);
    file_ = ::open(path.c_str(), O_RDONLY);
    std::filesystem::remove(path);
    none_ = ::open("/dev/null", O_RDONLY);
    REQUIRE((file_ >= 0 && none_ >= 0));
    void* at = ::mmap(nullptr, all_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(at != MAP_FAILED);
    memory_ = static_cast<std::byte*>(at);
    const auto from = (reinterpret_cast<std::uintptr_t>(at) + kLarge - 1) / kLarge * kLarge;
    before_ = reinterpret_cast<std::byte*>(from);
    std::fill(before_, before_ + kBefore, std::byte{'x'});
    REQUIRE(::mmap(before_ + kBefore, kSize, PROT_READ, MAP_SHARED | MAP_FIXED, file_, 0) == before_ + kBefore);
  }
  ~MappedTensor() {
    ::munmap(memory_, all_);
    ::close(file_), ::close(none_);
  }
  /// From a file that gives nothing, or from its own.
  LaidOut::Tensor tensor(bool readable, bool on_use) const {
    return {.dtype = opnf::find_dtype_named("q8_0"),
            .from = {before_ + kBefore, kSize},
            .panel_bytes = kPanel,
            .to_panels = true,
            .file = readable ? file_ : none_,
            .offset = 0,
            .on_use = on_use,
            .looked_up = on_use};
  }
  bool before_is_whole() const {
    return std::all_of(before_, before_ + kBefore, [](std::byte b) { return b == std::byte{'x'}; });
  }
  /// Pages [from, to) of the tensor, in bytes, that are mapped.
  std::uint64_t mapped(std::uint64_t from, std::uint64_t to) const {
    const int map = ::open("/proc/self/pagemap", O_RDONLY);
    std::uint64_t count = 0, entry = 0;
    for (std::uint64_t at = from; at < to; at += kPage) {
      const auto page = reinterpret_cast<std::uintptr_t>(before_ + kBefore + at) / kPage;
      REQUIRE(::pread(map, &entry, sizeof entry, static_cast<off_t>(page * sizeof entry)) == sizeof entry);
      count += entry >> 63;
    }
    ::close(map);
    return count;
  }

 private:
  static constexpr std::uint64_t all_ = 2 * kLarge + kBefore + kSize;
  int file_ = -1, none_ = -1;
  std::byte *memory_ = nullptr, *before_ = nullptr;
};

void check_panels(const std::byte* place, std::uint64_t first, std::uint64_t count) {
  const std::vector<std::byte> from = weights();
  std::vector<std::byte> panel(kPanel);
  for (std::uint64_t i = first; i < first + count; ++i) {
    opnf::to_panel16(*opnf::find_dtype_named("q8_0"), kBlocks, from.data() + i * kPanel, panel.data());
    CHECK(std::equal(panel.begin(), panel.end(), place + i * kPanel));
  }
}

}  // namespace

TEST_CASE("what is laid out is the tensor, and what lies before it in its large page stays", "[host]") {
  const MappedTensor mapped;
  const ReadAhead none({});
  for (const bool readable : {false, true})
    for (const int threads : {1, 2, 5}) {
      INFO(threads << " threads, " << readable);
      ThreadPool pool(threads);
      const LaidOut laid_out({mapped.tensor(readable, false)}, 1 << 16, none, pool);
      check_panels(laid_out.tensors()[0].place, 0, kPanels);
      CHECK(mapped.before_is_whole());
      CHECK(mapped.mapped(0, kSize) == 0);
    }
}

TEST_CASE("large pages of a mapped file are given back with what is done of them, and nothing before", "[host]") {
  const MappedTensor mapped;
  const ReadAhead none({});
  ThreadPool pool(1);
  LaidOut laid_out({mapped.tensor(false, true)}, 1 << 16, none, pool);
  const std::byte* const place = laid_out.tensors()[0].place;
  laid_out.look_up(place, 15);
  check_panels(place, 0, 1);
  CHECK(mapped.before_is_whole());
  const std::uint64_t done = (kBefore + kPanel) / kLarge * kLarge - kBefore;
  CHECK(mapped.mapped(0, done) == 0);
  CHECK(mapped.mapped(done, kPanel) > 0);
  laid_out.look_up(place, 16);
  check_panels(place, 1, 1);
  CHECK(mapped.mapped(0, (kBefore + 2 * kPanel) / kLarge * kLarge - kBefore) == 0);
}

}  // namespace laid_out_test
