// SPDX-License-Identifier: Apache-2.0
// Opens each package and looks up every tensor: prints JSON lines for bench/package_open/compare.py.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "formats/opnf/reader.h"

namespace {

using Clock = std::chrono::steady_clock;

/// The best of `rounds` runs, in seconds: what the work costs when nobody disturbs it.
template <class F>
double best(int rounds, const F& work) {
  double least = 1e9;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    work();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return least;
}

std::size_t look_up(const opnf::Reader& reader, const std::vector<std::string>& keys) {
  std::size_t sum = 0;
  for (const std::string& key : keys) sum += reader.find(key).value();
  return sum;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: bench_package_open PACKAGE…  (bench/package_open/compare.py makes packages and a table)\n");
    return 2;
  }
  for (int i = 1; i < argc; ++i) {
    const double open_s = best(50, [&] { opnf::Reader::open(argv[i]); });
    const opnf::Reader reader = opnf::Reader::open(argv[i]);
    std::vector<std::string> keys;
    for (std::size_t row = 0; row < reader.tensor_count(); ++row) keys.emplace_back(reader.tensor(row).key);
    volatile std::size_t sink = 0;
    const double ordered_s = best(10, [&] { sink = look_up(reader, keys); });
    std::uint64_t state = 1;  // the same shuffle every time
    for (std::size_t n = keys.size(); n > 1; --n) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      std::swap(keys[n - 1], keys[(state >> 33) % n]);
    }
    // A copy lies in memory in the order of asking, as a key does that was just put together: only the package is
    // walked at random.
    const std::vector<std::string> shuffled = keys;
    const double shuffled_s = best(10, [&] { sink = look_up(reader, shuffled); });
    const double n = static_cast<double>(std::max<std::size_t>(1, keys.size()));
    std::printf("{\"tensors\": %zu, \"open_ms\": %.4f, \"lookup_ns\": %.1f, \"shuffled_lookup_ns\": %.1f}\n",
                reader.tensor_count(), open_s * 1e3, ordered_s * 1e9 / n, shuffled_s * 1e9 / n);
  }
} catch (const opnf::Error& error) {
  std::fprintf(stderr, "bench_package_open: error: %s\n", error.what());
  return 1;
}
