// SPDX-License-Identifier: Apache-2.0
// A package whose weights may be panels, and some that may not, and a graph over it that reads them in every way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "openinfer/openinfer.h"
#include "test_package.h"

namespace sim_test {

using namespace openinfer;

/// Blocks of 32 whose scales are near 2^-7 and whose other bytes are anything. q4_0 … q8_0.
inline std::vector<std::byte> small_blocks(std::string_view dtype, std::size_t count, std::uint32_t state) {
  const opnf::DTypeInfo& row = *opnf::find_dtype_named(dtype);
  std::vector<std::byte> bytes(count * row.block_bytes);
  for (std::byte& b : bytes) b = static_cast<std::byte>((state = state * 1664525 + 1013904223) >> 24);
  const bool minimum = dtype == "q4_1" || dtype == "q5_1";
  for (std::size_t b = 0; b < count; ++b) {
    bytes[b * row.block_bytes + 1] =
        dtype == "q8_0" ? std::byte{0x10} : std::byte{0x20};        // f16 in [2^-11 or 2^-7, twice)
    if (minimum) bytes[b * row.block_bytes + 3] = std::byte{0xb0};  // about -2^-3
  }
  return bytes;
}

inline void fill_layout_model(opnf::Writer& w) {
  const auto matrix = [&](const std::string& key, const std::string& dtype, std::uint64_t in, std::uint64_t out,
                          bool transposed = true) {
    opnf::TensorSpec spec;
    spec.key = key, spec.dtype = dtype, spec.transposed = transposed;
    spec.shape = transposed ? std::vector{in, out} : std::vector{out, in};
    w.tensor(spec, small_blocks(dtype, in * out / 32, static_cast<std::uint32_t>(in * 7 + out + key.size())));
  };
  matrix("table", "q8_0", 64, 48, false);
  w.alias("head", "table", std::vector<std::uint64_t>{64, 48}, true);
  for (const std::string l : {"0", "1"}) {
    matrix("Wq." + l, l == "0" ? "q4_1" : "q5_1", 64, 48);
    matrix("Wk." + l, "q5_0", 64, 16);
    matrix("Wv." + l, "q4_0", 64, 32);
    matrix("Wo." + l, "q8_0", 32, 64);
  }
  matrix("A", "q8_0", 64, 32);
  matrix("B", "q8_0", 64, 24);     // one panel and a half
  matrix("cast", "q8_0", 64, 16);  // multiplied, and read as a value
}

/// Two layers around the three projections; the tied head; siblings of which one cannot be panels.
inline Graph layout_graph(const Model& model) {
  return graph(model, [&](GraphBuilder& b) {
    auto N = b.dim("N", 1, 20);
    auto tok = b.input("tok", i32, {N});
    auto x = gather(model["table"], tok) | cast(f32);
    x = b.loop("l", 0, 2, x, [&](Index l, Value h) {
      auto q = matmul(h, model("Wq.{}", l));
      auto k = matmul(h, model("Wk.{}", l));
      auto v = matmul(h, model("Wv.{}", l));
      return h + concat({q, k}, 1) * 0.1 + matmul(v, model("Wo.{}", l));
    });
    b.output("logits", matmul(x, model["head"]));
    auto half = x * 0.5;
    b.output("a", matmul(half, model["A"]));
    b.output("b", matmul(half, model["B"]));
    b.output("c", matmul(x + 1.0, model["cast"]));
    b.output("d", b.value(model["cast"]) | cast(f32));
  });
}

}  // namespace sim_test
