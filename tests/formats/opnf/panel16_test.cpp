// SPDX-License-Identifier: Apache-2.0
#include "formats/opnf/panel16.h"

#include <catch2/catch.hpp>

#include "formats/opnf/verify.h"
#include "tests/formats/opnf/describe.h"

using namespace opnf;
using namespace opnf::testing;

namespace {

constexpr std::uint64_t kRows = 32, kBlocks = 3;

/// Bytes of a row's block in the order of a panel, said as spec.md says it: where fields lie in ggml's struct.
struct Field {
  std::uint64_t from, bytes, piece = 4;
};
struct Block {
  const char* dtype;
  std::uint64_t size;
  std::vector<Field> fields;
};
const std::vector<Block> kFormats = {{"q4_0", 32, {{2, 16}, {0, 2, 2}}},
                                     {"q4_1", 32, {{4, 16}, {0, 2, 2}, {2, 2, 2}}},
                                     {"q5_0", 32, {{6, 16}, {2, 4}, {0, 2, 2}}},
                                     {"q5_1", 32, {{8, 16}, {4, 4}, {0, 2, 2}, {2, 2, 2}}},
                                     {"q8_0", 32, {{2, 32}, {0, 2, 2}}},
                                     {"q4_k", 256, {{16, 128}, {4, 12}, {0, 2, 2}, {2, 2, 2}}},
                                     {"q5_k", 256, {{48, 128}, {16, 32}, {4, 12}, {0, 2, 2}, {2, 2, 2}}},
                                     {"q6_k", 256, {{0, 128}, {128, 64}, {192, 16}, {208, 2, 2}}}};

std::vector<std::byte> expected_panel(const Block& f, const std::vector<std::byte>& rows, std::uint64_t block_bytes) {
  std::vector<std::byte> out;
  for (std::uint64_t b = 0; b < kBlocks; ++b)
    for (const Field& field : f.fields)
      for (std::uint64_t j = 0; j < field.bytes; j += field.piece)
        for (std::uint64_t row = 0; row < 16; ++row)
          for (std::uint64_t k = 0; k < field.piece; ++k)
            out.push_back(rows[(row * kBlocks + b) * block_bytes + field.from + j + k]);
  return out;
}

TensorSpec spec(const std::string& key, const std::string& dtype, std::vector<std::uint64_t> shape,
                bool transposed = false) {
  return {.key = key, .dtype = dtype, .shape = std::move(shape), .transposed = transposed, .quantisation = {}};
}

}  // namespace

TEST_CASE("a panel has the bytes that the specification says, and gives its rows back") {
  for (const Block& format : kFormats) {
    INFO(format.dtype);
    const DTypeInfo& dtype = *find_dtype_named(format.dtype);
    const std::uint64_t row_bytes = kBlocks * dtype.block_bytes;
    const auto rows = pattern(format.dtype, 5, kRows * row_bytes);
    std::vector<std::byte> panels(rows.size());
    for (std::uint64_t p = 0; p < kRows / 16; ++p)
      to_panel16(dtype, kBlocks, rows.data() + p * 16 * row_bytes, panels.data() + p * 16 * row_bytes);
    const auto expected = expected_panel(format, rows, dtype.block_bytes);
    REQUIRE(expected.size() == 16 * row_bytes);
    CHECK(std::equal(expected.begin(), expected.end(), panels.begin()));
    for (std::uint64_t first = 0; first < kRows; first += 5)
      for (const std::uint64_t count : {std::uint64_t{1}, std::uint64_t{13}, kRows - first}) {
        if (first + count > kRows) continue;
        std::vector<std::byte> back(count * row_bytes);
        from_panel16(dtype, kBlocks, panels.data(), first, count, back.data());
        CHECK(std::equal(back.begin(), back.end(), rows.begin() + static_cast<std::ptrdiff_t>(first * row_bytes)));
      }
  }
}

TEST_CASE("a package goes to panels and back to the same bytes") {
  TemporaryFolder folder;
  Writer w(folder.file("rows.oinf"));
  for (const Block& format : kFormats) {
    const std::uint64_t bytes = find_dtype_named(format.dtype)->block_bytes;
    const std::string key = format.dtype;
    w.tensor(spec(key, key, {2, 32, 2 * format.size}), pattern(key, 1, 128 * bytes));
    w.tensor(spec(key + ".t", key, {2 * format.size, 16}, true), pattern(key, 2, 32 * bytes));
    w.tensor(spec(key + ".odd", key, {17, format.size}),
             pattern(key, 3, 17 * bytes));  // no whole panels: stays in rows
    w.tensor(spec(key + ".none", key, {16, 0}), std::span<const std::byte>());
  }
  w.tensor(spec("large", "q4_0", {4096, 1024}), pattern("q4_0", 4, 4096 * 32 * 18));  // several pieces
  w.tensor(spec("plain", "f32", {16, 32}), pattern("f32", 5, 16 * 32 * 4));
  w.splat(spec("splat", "q8_0", {32, 32}), pattern("q8_0", 6, 34));
  w.alias("tied", "q8_0.t");
  w.write();

  const auto repack = [&](const std::string& from, const std::string& to, Layout layout) {
    const Reader package = Reader::open(folder.file(from));
    Writer out(folder.file(to));
    out.copy(package, layout);
    out.write();
  };
  repack("rows.oinf", "panels.oinf", Layout::panel16);
  repack("panels.oinf", "again.oinf", Layout::panel16);
  repack("panels.oinf", "back.oinf", Layout::rows);
  CHECK((read_file(folder.file("back.oinf")) == read_file(folder.file("rows.oinf"))));
  CHECK((read_file(folder.file("again.oinf")) == read_file(folder.file("panels.oinf"))));

  const Reader rows = Reader::open(folder.file("rows.oinf")), panels = Reader::open(folder.file("panels.oinf"));
  verify(panels, {});
  for (const std::string key : {"q4_0.odd", "plain", "splat"})
    CHECK(panels.tensor(*panels.find(key)).layout == Layout::rows);
  for (const std::string key : {"q5_1", "q8_0.t", "q6_k.t", "q5_k", "tied", "large", "q4_1.none"})
    CHECK(panels.tensor(*panels.find(key)).layout == Layout::panel16);
  const auto in_rows = rows.bytes(*rows.find("large")), in_panels = panels.bytes(*panels.find("large"));
  std::vector<std::byte> back(in_rows.size());
  from_panel16(*find_dtype_named("q4_0"), 32, in_panels.data(), 0, 4096, back.data());
  CHECK(std::equal(back.begin(), back.end(), in_rows.begin()));
  CHECK_FALSE(std::equal(in_panels.begin(), in_panels.end(), in_rows.begin()));
}
