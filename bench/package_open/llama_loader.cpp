// SPDX-License-Identifier: Apache-2.0
// The llama.cpp column of compare.py: opens a GGUF file with llama.cpp's reader and finds every tensor by name, as its
// model loader does. Built against a llama.cpp build, not by this project (README.md has the command). Prints the line
// that bench/package_open.cpp prints.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "ggml.h"
#include "gguf.h"

namespace {

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s FILE.gguf\n", argv[0]), 2;
  double open_ms = 1e9, find_ms = 1e9;
  std::int64_t count = 0;
  for (int round = 0; round < (count > 20000 ? 1 : 5); ++round) {
    ggml_context* tensors = nullptr;
    const auto start = std::chrono::steady_clock::now();
    gguf_context* file = gguf_init_from_file(argv[1], {/*no_alloc=*/true, &tensors});
    if (!file) return std::fprintf(stderr, "%s: llama.cpp cannot open it\n", argv[1]), 1;
    open_ms = std::min(open_ms, ms_since(start));
    count = gguf_get_n_tensors(file);
    std::vector<std::string> keys;
    for (std::int64_t i = 0; i < count; ++i) keys.emplace_back(gguf_get_tensor_name(file, i));
    const auto found = std::chrono::steady_clock::now();
    for (const std::string& key : keys)
      if (gguf_find_tensor(file, key.c_str()) < 0) return 1;
    find_ms = std::min(find_ms, ms_since(found));
    gguf_free(file);
    ggml_free(tensors);
  }
  std::printf("{\"tensors\": %lld, \"open_ms\": %.4f, \"lookup_ns\": %.1f}\n", static_cast<long long>(count), open_ms,
              find_ms * 1e6 / static_cast<double>(std::max<std::int64_t>(1, count)));
}
