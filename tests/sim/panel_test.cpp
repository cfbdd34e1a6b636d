// SPDX-License-Identifier: Apache-2.0
// The same weights in rows and in panel16 give the same bits, whatever reads them.
#include <catch2/catch.hpp>

#include "openinfer/ops.h"

#include "test_ops.h"
#include "test_package.h"

using namespace sim_test;

namespace {

constexpr std::int64_t kOut = 48, kIn = 96;  // (out, in) as stored: three panels of three blocks

/// Blocks whose scales are numbers near one and whose other bytes are anything.
std::vector<std::byte> blocks(std::string_view dtype, std::size_t count, std::uint32_t state) {
  const opnf::DTypeInfo& row = *opnf::find_dtype_named(dtype);
  std::vector<std::byte> bytes(count * row.block_bytes);
  for (std::byte& b : bytes) b = static_cast<std::byte>((state = state * 1664525 + 1013904223) >> 24);
  const std::size_t scales = dtype == "q4_1" || dtype == "q5_1" ? 2 : 1;
  for (std::size_t b = 0; b < count; ++b)
    for (std::size_t s = 0; s < scales; ++s) bytes[b * row.block_bytes + 2 * s + 1] = std::byte{0x3c};  // f16 in [1, 2)
  return bytes;
}

void fill(opnf::Writer& w, const std::string& dtype) {
  const auto tensor = [&](const std::string& key, std::vector<std::uint64_t> shape, bool transposed,
                          std::size_t count) {
    opnf::TensorSpec spec;
    spec.key = key, spec.dtype = dtype, spec.shape = std::move(shape), spec.transposed = transposed;
    w.tensor(spec, blocks(dtype, count, static_cast<std::uint32_t>(key.size())));
  };
  tensor("turned", {kIn, kOut}, true, kOut * kIn / 32);  // matmul's usual case
  tensor("plain", {kOut, kIn}, false, kOut * kIn / 32);  // blocks along the columns
  tensor("odd", {kIn, 17}, true, 17 * kIn / 32);         // cannot be panels
  tensor("experts", {2, kIn, kOut}, true, 2 * kOut * kIn / 32);
}

Tensor numbers(Extents shape) {
  Tensor t(f32, shape);
  auto* to = reinterpret_cast<float*>(t.mutable_bytes().data());
  for (std::int64_t i = 0; i < t.count(); ++i) to[i] = static_cast<float>((i * 37) % 19) / 8.f - 1.f;
  return t;
}

/// Every output of every reader of a weight, as bytes.
std::vector<std::vector<std::byte>> results(const Model& model, int threads) {
  const auto g = graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {5, kIn});
    auto wide = b.input("wide", f32, {3, kOut});
    auto many = b.input("many", f32, {2, 4, kIn});
    auto ids = b.input("ids", i32, {4});
    b.output("matmul", matmul(x, model["turned"]));
    b.output("rows_times", matmul(wide, model["plain"]));
    b.output("odd", matmul(x, model["odd"]));
    b.output("batched", matmul(many, model["experts"]));
    b.output("gather", gather(model["plain"], ids) | cast(f32));
    b.output("gather_columns", gather(model["turned"], ids) | cast(f32));
    b.output("cast", b.value(model["turned"]) | cast(f32));
    b.output("cast_plain", b.value(model["plain"]) | cast(f16));
  });
  SimSession sim(model, g, {.threads = threads});
  const Tensor ids(std::vector<std::int32_t>{0, 47, 17, 16}, {4});
  std::vector<std::vector<std::byte>> all;
  const auto out = sim.run_step(
      {{"x", numbers({5, kIn})}, {"wide", numbers({3, kOut})}, {"many", numbers({2, 4, kIn})}, {"ids", ids}});
  for (const char* name :
       {"matmul", "rows_times", "odd", "batched", "gather", "gather_columns", "cast", "cast_plain"}) {
    const auto bytes = out[name].bytes();
    all.emplace_back(bytes.begin(), bytes.end());
  }
  return all;
}

}  // namespace

TEST_CASE("weights in panels give the bits that rows give") {
  for (const std::string dtype : {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0"}) {
    INFO(dtype);
    TestPackage rows("sim_rows_" + dtype), panels("sim_panels_" + dtype);
    fill(rows.writer(), dtype);
    const Model in_rows = rows.open();
    const auto reader = opnf::Reader::open(rows.path().string());
    panels.writer().copy(reader, opnf::Layout::panel16);
    const Model in_panels = panels.open();
    REQUIRE(in_panels.tensor("turned").layout == "panel16");
    REQUIRE(in_panels.tensor("odd").layout == "rows");
    const auto expected = results(in_rows, 1);
    CHECK((results(in_panels, 1) == expected));
    CHECK((results(in_panels, 3) == expected));
    CHECK((results(ModelLoader::open(panels.path().string(), Model::ReadMode::pread), 2) == expected));
  }
}
