// SPDX-License-Identifier: Apache-2.0
// Kernels with data to run them on: whatever language renders them must give what the interpreter gives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::emit {

using Memory = std::vector<std::vector<std::byte>>;  // of a kernel's global buffers

struct Run {
  Memory memory;
  std::vector<std::int32_t> params = {};
  int groups = 1;
  /// The largest distance to plain f64 loops over the memory before and after, in units of its bound; where it is
  /// absent, the interpreter alone says what is right.
  std::function<double(const Memory& before, const Memory& after)> error = {};
};
struct Case {
  kir::Kernel kernel;
  std::vector<Run> runs;
};

/// Chains, norms, products, tiles, shared memory.
std::vector<Case> algorithm_cases(const kir::Target& target);
/// Every operation and memory kind, in whole vectors and tails.
std::vector<Case> language_cases(const kir::Target& target);
/// What the kernel templates make of every block format and of elementwise groups.
std::vector<Case> template_cases(const kir::Target& target);
/// Attention of a prompt, in f32 and in pairs of bf16, over all keys and over a window: for sixteen lanes.
std::vector<Case> prompt_attention_cases(const kir::Target& target);

// --- data ---

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  const auto raw = std::as_bytes(std::span(values));
  return {raw.begin(), raw.end()};
}
template <class T>
std::vector<T> values_of(const std::vector<std::byte>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(values)).begin());
  return values;
}
std::vector<float> noise(std::size_t count, std::uint32_t seed = 1);             // in [-1, 1)
std::vector<std::byte> random_bytes(std::size_t count, std::uint32_t seed = 1);  // all below 0x40: halves of 0 … 2
/// Elements as they must be in memory for the kind.
std::vector<std::byte> in_memory(kir::Kind kind, const std::vector<double>& values);

}  // namespace openinfer::emit
