// SPDX-License-Identifier: Apache-2.0
// Seconds to encode a file with a package's tokenizer, one thread: the best of five. bench/tokenize.py sets the figure
// beside the tokenizers library's in the same run. To reach: less than twice that library's time.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>

#include "openinfer/model.h"
#include "openinfer/text.h"

int main(int argc, char** argv) try {
  using namespace openinfer;
  if (argc != 3) {
    fmt::print(stderr, "usage: bench_tokenize PACKAGE TEXTFILE\n");
    return 2;
  }
  const Tokenizer tokenizer(tokenizer_spec(ModelLoader::open(argv[1])));
  std::ifstream file(argv[2], std::ios::binary);
  if (!file) throw Error(ErrorCode::io_error, fmt::format("{}: cannot be read", argv[2]));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  double best_s = 1e30;
  std::size_t count = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    count = tokenizer.encode(text).size();
    best_s = std::min(best_s, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  fmt::print("{} {:.6f}\n", count, best_s);
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "bench_tokenize: error: {}\n", error.what());
  return 1;
}
