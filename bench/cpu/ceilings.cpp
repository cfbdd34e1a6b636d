// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most, for compare_cpu.py: how fast T threads read memory or a file, how many operations a
// second its vector (and tile) units have, and what a barrier costs. A program of its own: nothing of the project, so
// that no mistake is shared. Built by the script with the machine's own instructions.
//
//   ceilings read BYTES T     ceilings file PATH T     ceilings disk PATH T     ceilings peaks T     ceilings barrier T
//
// Prints one line of JSON.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;
using Bytes64 = std::uint64_t __attribute__((vector_size(64)));
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;  // of a register
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
using Floats = float __attribute__((vector_size(kVectorBytes)));

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void wait_a_little() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}
  void meet() {
    const int turn = turn_.load(std::memory_order_relaxed);
    if (here_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
      here_.store(0, std::memory_order_relaxed);
      turn_.store(turn + 1, std::memory_order_release);
      return;
    }
    for (int spin = 0; turn_.load(std::memory_order_acquire) == turn; ++spin) {
      if (spin > 20000) std::this_thread::yield();  // somebody else has the processor
      wait_a_little();
    }
  }

 private:
  const int threads_;
  alignas(64) std::atomic<int> here_{0};
  alignas(64) std::atomic<int> turn_{0};
};

/// Seconds from the common start to the last end of work(thread), of several rounds.
struct Seconds {
  double median, best;
};
Seconds timed(int threads, int rounds, const std::function<void(int)>& work) {
  Barrier barrier(threads);
  std::vector<double> all;
  std::vector<std::thread> others;
  const auto one = [&](int t) {
    for (int r = 0; r < rounds; ++r) {
      barrier.meet();
      const auto start = Clock::now();
      work(t);
      barrier.meet();
      if (t == 0) all.push_back(seconds_since(start));
    }
  };
  for (int t = 1; t < threads; ++t) others.emplace_back(one, t);
  one(0);
  for (std::thread& t : others) t.join();
  std::sort(all.begin(), all.end());
  return {all[all.size() / 2], all.front()};
}

volatile std::uint64_t g_sink;  // results go here, so that they are computed

// --- memory ---

/// Each thread its own part, as one stream, fetched ahead.
void sum(const char* from, const char* to) {
  constexpr std::ptrdiff_t kAhead = 4096;
  Bytes64 a{}, b{}, c{}, d{};
  for (; from + 256 <= to; from += 256) {
    for (int line = 0; line < 256; line += 64) __builtin_prefetch(from + kAhead + line);
    Bytes64 v[4];
    std::memcpy(v, from, sizeof v);
    a += v[0], b += v[1], c += v[2], d += v[3];
  }
  a += b + c + d;
  g_sink = a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];
}

void read_memory(std::size_t bytes, int threads) {
  void* place = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) std::perror("ceilings: memory"), std::exit(1);
  ::madvise(place, bytes, MADV_HUGEPAGE);
  char* const all = static_cast<char*>(place);
  const auto part = [&](int t) {
    return all + bytes / static_cast<std::size_t>(threads) * static_cast<std::size_t>(t);
  };
  timed(threads, 1, [&](int t) { std::memset(part(t), t + 1, bytes / static_cast<std::size_t>(threads)); });
  const int rounds = static_cast<int>(std::clamp<std::size_t>((std::size_t{4} << 30) / bytes, 3, 41));
  const double s = timed(threads, rounds, [&](int t) { sum(part(t), part(t + 1)); }).median;
  std::printf("{\"read_gb_per_s\": %.4g}\n", static_cast<double>(bytes) / s / 1e9);
}

/// Once by all threads together, from the page cache or, without its pages there, from the disk.
void read_file(const char* path, int threads, bool from_disk) {
  const int file = ::open(path, O_RDONLY);
  struct stat facts {};
  if (file < 0 || ::fstat(file, &facts) != 0) std::perror(path), std::exit(1);
  const off_t bytes = facts.st_size;
  const auto part = [&](int t) {
    std::vector<char> buffer(1 << 20);
    const off_t end = bytes * (t + 1) / threads;
    for (off_t at = bytes * t / threads; at < end;) {
      const ssize_t got =
          ::pread(file, buffer.data(), static_cast<std::size_t>(std::min<off_t>(end - at, 1 << 20)), at);
      if (got <= 0) std::perror(path), std::exit(1);
      at += got;
    }
  };
  if (!from_disk) return void(std::printf("{\"seconds\": %.4g}\n", timed(threads, 3, part).median));
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) {
    if (::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0) std::perror(path), std::exit(1);
    seconds.push_back(timed(threads, 1, part).median);
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("{\"seconds\": %.4g}\n", seconds[seconds.size() / 2]);
}

// --- arithmetic: as many chains as registers hold beside what they multiply, which fill every unit; the best round,
// which nobody disturbed ---

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kChains = 24;  // of 32 registers
#else
constexpr int kChains = 12;  // of 16
#endif
constexpr int kInstructions = 24'000'000;  // a round
constexpr int kRounds = 40;                // of 2 to 5 ms: somebody else on the machine disturbs many
#if defined(__aarch64__)
#define ANOTHER(v) asm volatile("" : "+w"(v))  // for all that the compiler knows: no two chains are one
#elif defined(__x86_64__)
#define ANOTHER(v) asm volatile("" : "+v"(v))
#else
#define ANOTHER(v) asm volatile("" : "+m"(v))
#endif

/// step(sum, x, y) for vectors V: `each` multiply-adds a call, in so many instructions.
template <class V, int kCount = kChains, int kOfStep = 1, class Step>
double gop_of(int threads, double each, const Step& step) {
  constexpr int kTurns = kInstructions / kOfStep / kCount;
  const Seconds s = timed(threads, kRounds, [&](int) {
    const auto another = [](V& v) { ANOTHER(v); };
    V a, b;
    std::memset(&a, 0x3f, sizeof a), std::memset(&b, 0x3f, sizeof b);  // 63, about 0.75 as a float
    another(a), another(b);
    const auto chains = [&]<int... c>(
        std::integer_sequence<int, c...>) {  // no index of a loop: places in memory have one
      V sum[kCount] = {};
      (..., another(sum[c]));
      for (int i = 0; i < kTurns; ++i) (..., step(sum[c], a, b));
      (..., another(sum[c]));
    };
    chains(std::make_integer_sequence<int, kCount>());
  });
  return 2.0 * each * kCount * kTurns * threads / s.best / 1e9;
}

double gflop_f32(int threads) {
  return gop_of<Floats>(threads, kVectorBytes / 4, [](Floats& s, const Floats& a, const Floats& b) { s = s * a + b; });
}

#if defined(__AVX2__) && !defined(__AVX512VNNI__) && !defined(__AVXVNNI__)
#define NO_DOT_INSTRUCTION
// As they are written: compilers make products of the same numbers once for all sums or, where they may not, keep sums
// in memory.
#define PAIRS_OF_PRODUCTS(to) "vpmaddubsw %[b], %[a], " to "\n\t"
#define ADD_PAIRS_OF_PRODUCTS PAIRS_OF_PRODUCTS("%[more]") "vpaddw %[more], %[pairs], %[pairs]\n\t"
#define ADD_BOTH_OF_PAIRS "vpmaddwd %[ones], %[pairs], %[pairs]\n\tvpaddd %[pairs], %[sum], %[sum]"

template <class V>
void add_dots(V& sum, V a, V b, V ones) {
  V pairs;
  asm volatile(PAIRS_OF_PRODUCTS("%[pairs]") ADD_BOTH_OF_PAIRS
               : [sum] "+v"(sum), [pairs] "=&v"(pairs)
               : [a] "v"(a), [b] "v"(b), [ones] "v"(ones));
}
/// Eight dots in one sum: their pairs fit 16 bits where quants have four.
template <class V>
void add_eight_dots(V& sum, V a, V b, V ones) {
  V pairs, more;
  asm volatile(PAIRS_OF_PRODUCTS("%[pairs]")
                   ADD_PAIRS_OF_PRODUCTS ADD_PAIRS_OF_PRODUCTS ADD_PAIRS_OF_PRODUCTS ADD_PAIRS_OF_PRODUCTS
                       ADD_PAIRS_OF_PRODUCTS ADD_PAIRS_OF_PRODUCTS ADD_PAIRS_OF_PRODUCTS ADD_BOTH_OF_PAIRS
               : [sum] "+v"(sum), [pairs] "=&v"(pairs), [more] "=&v"(more)
               : [a] "v"(a), [b] "v"(b), [ones] "v"(ones));
}
#if defined(__AVX512BW__)
using Bytes = __m512i;
Bytes ones() { return _mm512_set1_epi16(1); }
#else
using Bytes = __m256i;
Bytes ones() { return _mm256_set1_epi16(1); }
#endif
#endif

double gop_int8(int threads) {
#if defined(__AVX512VNNI__)
  return gop_of<__m512i>(threads, 64, [](auto& s, auto a, auto b) { s = _mm512_dpbusd_epi32(s, a, b); });
#elif defined(__AVXVNNI__)
  return gop_of<__m256i>(threads, 32, [](auto& s, auto a, auto b) { s = _mm256_dpbusd_avx_epi32(s, a, b); });
#elif defined(NO_DOT_INSTRUCTION)
  return gop_of<Bytes, 8, 3>(threads, sizeof(Bytes),
                             [one = ones()](auto& s, auto a, auto b) { add_dots(s, a, b, one); });
#elif defined(__ARM_FEATURE_DOTPROD)
  return gop_of<int32x4_t>(
      threads, 16, [](auto& s, auto a, auto b) { s = vdotq_s32(s, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)); });
#else
  return 0 * threads;
#endif
}

/// Of quants of four bits: faster where there is no instruction for dots of bytes.
double gop_int4(int threads) {
#if defined(NO_DOT_INSTRUCTION)
  return gop_of<Bytes, 8, 17>(threads, 8 * sizeof(Bytes),
                              [one = ones()](auto& s, auto a, auto b) { add_eight_dots(s, a, b, one); });
#else
  return gop_int8(threads);
#endif
}

double gflop_bf16(int threads) {
#if defined(__AVX512BF16__)
  return gop_of<__m512>(threads, 32,
                        [](auto& s, auto a, auto b) { s = _mm512_dpbf16_ps(s, (__m512bh)a, (__m512bh)b); });
#else
  return 0 * threads;
#endif
}

#if defined(__AMX_INT8__) && defined(__AMX_BF16__) && defined(__x86_64__)
/// Linux gives a process the tile registers when it asks: Documentation/arch/x86/xstate.rst.
bool may_use_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
/// `step` multiplies tiles 4 and 5 into the four before them; `k`: elements of a row of tile 4.
template <class Step>
double gop_tiles(int threads, int k, Step step) {
  if (!may_use_tiles()) return 0;
  constexpr int kTileSteps = 100'000;
  const Seconds s = timed(threads, kRounds, [step](int) {
    static const TileShapes shapes;  // in memory as a whole: the compiler takes the instruction to read a part of it
    _tile_loadconfig(&shapes);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    for (int i = 0; i < kTileSteps; ++i) step();
    _tile_release();
  });
  return 2.0 * 16 * 16 * k * 4 * kTileSteps * threads / s.best / 1e9;
}
double gop_int8_tiles(int threads) {
  return gop_tiles(threads, 64, [] {
    _tile_dpbssd(0, 4, 5);
    _tile_dpbssd(1, 4, 5);
    _tile_dpbssd(2, 4, 5);
    _tile_dpbssd(3, 4, 5);
  });
}
double gflop_bf16_tiles(int threads) {
  return gop_tiles(threads, 32, [] {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  });
}
#else
double gop_int8_tiles(int) { return 0; }
double gflop_bf16_tiles(int) { return 0; }
#endif

void barrier(int threads) {
  constexpr int kTimes = 100'000;
  Barrier inner(threads);
  const Seconds s = timed(threads, 3, [&](int) {
    for (int i = 0; i < kTimes; ++i) inner.meet();
  });
  std::printf("{\"barrier_ns\": %.4g}\n", s.best / kTimes * 1e9);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const int threads = argc > 2 ? std::atoi(argv[argc - 1]) : 0;
  const bool places = what == "read" || what == "file" || what == "disk";
  if (threads < 1 || argc != (places ? 4 : 3)) return std::fputs("usage: see the top of ceilings.cpp\n", stderr), 2;
  if (what == "read") read_memory(static_cast<std::size_t>(std::max(1ll << 20, std::atoll(argv[2]))), threads);
  if (what == "file" || what == "disk") read_file(argv[2], threads, what == "disk");
  if (what == "barrier") barrier(threads);
  if (what == "peaks")
    std::printf(
        "{\"f32\": %.5g, \"bf16\": %.5g, \"int8\": %.5g, \"int4\": %.5g, \"int8_tiles\": %.5g, \"bf16_tiles\": %.5g}\n",
        gflop_f32(threads), gflop_bf16(threads), gop_int8(threads), gop_int4(threads), gop_int8_tiles(threads),
        gflop_bf16_tiles(threads));
  return 0;
}
