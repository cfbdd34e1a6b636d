// SPDX-License-Identifier: Apache-2.0
#include "stored.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "codegen/kernels/block_code.h"
#include "formats/opnf/panel16.h"
#include "lib/base/dequantize.h"
#include "openinfer/half.h"

namespace openinfer::kernels {
namespace {

std::vector<std::byte> random_bytes(std::size_t count, std::uint32_t seed) {
  std::vector<std::byte> bytes;
  for (const double x : noise(static_cast<std::int64_t>(count), seed))
    bytes.push_back(static_cast<std::byte>(static_cast<int>((x + 1) * 128)));
  return bytes;
}

/// Scales become numbers that do not overflow, exponents stay near that of 1.
void tame(const kir::Record& record, std::byte* block, double x) {
  std::size_t at = 0;
  for (const kir::Record::Field& f : record.fields) {
    const double scale = (1 + x / 2) / 64;
    if (f.kind == kir::Kind::f16) {
      const std::uint16_t half =
          float_to_half(static_cast<float>(f.name == "dmin" || f.name == "m" ? -2 * scale : scale));
      std::memcpy(block + at, &half, 2);
    }
    const auto single = static_cast<float>(scale);
    if (f.kind == kir::Kind::f32) std::memcpy(block + at, &single, 4);
    if (record.name == "iq1_m" && f.name == "scales") {  // d's bits are the highest four of each
      const std::uint16_t half = float_to_half(static_cast<float>(scale));
      for (std::size_t i = 0; i < 4; ++i) {
        std::byte& high = block[at + 2 * i + 1];
        high = (high & std::byte{15}) | static_cast<std::byte>((half >> (4 * i) & 15) << 4);
      }
    }
    if (f.name == "e") block[at] = static_cast<std::byte>(124 + static_cast<int>(4 * x));
    at += static_cast<std::size_t>(f.count * info(f.kind).bytes);
  }
}

}  // namespace

std::vector<DType> block_dtypes() {
  std::vector<DType> all;
  for (int code = 64; code < 96; ++code)
    if (has_block_code(static_cast<DType>(code))) all.push_back(static_cast<DType>(code));
  return all;
}

std::vector<DType> packed_dtypes() {
  std::vector<DType> all;
  for (int code = 0; code < 64; ++code)
    if (packed_code(static_cast<DType>(code))) all.push_back(static_cast<DType>(code));
  return all;
}

Data codebook_data() {
  const std::vector<std::uint16_t> entries = codebook_entries();
  return {DType::u16, std::vector<double>(entries.begin(), entries.end())};
}

Stored::Stored(DType t, std::int64_t rows, std::int64_t columns, std::uint32_t seed) : dtype(t), n(columns) {
  values.resize(static_cast<std::size_t>(rows * n));
  if (is_block(dtype)) {
    fill_blocks(rows, seed);
  } else if (packed_code(dtype)) {
    fill_packed(seed);
  } else {
    data = Data(dtype, noise(rows * n, seed));
    values = data.values();
  }
  for (const double v : values) largest_ = std::max(largest_, std::abs(v));
}

void Stored::fill_packed(std::uint32_t seed) {
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<std::byte> raw = random_bytes(static_cast<std::size_t>(size_bytes(dtype, count)), seed);
  for (std::byte& byte : raw)
    if (is_float(dtype)) byte = (byte & std::byte{0x9f}) | std::byte{0x20};
  dequantize(dtype, raw.data(), values.data(), count);
  data = Data(std::move(raw));
}

void Stored::fill_blocks(std::int64_t rows, std::uint32_t seed) {
  const std::int64_t blocks = rows * n / info(dtype).block_size, bytes = info(dtype).block_bytes;
  std::vector<std::byte> raw = random_bytes(static_cast<std::size_t>(blocks * bytes), seed);
  const std::vector<double> scales = noise(blocks, seed + 1);
  for (std::int64_t b = 0; b < blocks; ++b)
    tame(block_code(dtype).record, raw.data() + b * bytes, scales[static_cast<std::size_t>(b)]);
  dequantize(dtype, raw.data(), values.data(), rows * n);
  data = Data(std::move(raw));
}

void Stored::set_bytes(std::uint8_t byte) {
  const kir::Record& record = block_code(dtype).record;
  std::vector<std::byte> raw = Data(data).bytes();
  std::size_t at = 0;
  while (at < raw.size())
    for (const kir::Record::Field& f : record.fields) {
      const auto bytes = static_cast<std::size_t>(f.count * info(f.kind).bytes);
      if (f.kind == kir::Kind::i8 || f.kind == kir::Kind::u8) std::memset(&raw[at], byte, bytes);
      at += bytes;
    }
  dequantize(dtype, raw.data(), values.data(), static_cast<std::int64_t>(values.size()));
  for (const double v : values) largest_ = std::max(largest_, std::abs(v));
  data = Data(std::move(raw));
}

Data panels(const Stored& w) {
  const opnf::DTypeInfo& row = *opnf::find_dtype(static_cast<std::uint8_t>(w.dtype));
  const auto blocks = static_cast<std::uint64_t>(w.n / row.block_size);
  std::vector<std::byte> from = Data(w.data).bytes(), to(from.size());
  const std::size_t panel = 16 * blocks * row.block_bytes;
  for (std::size_t at = 0; at < from.size(); at += panel)
    opnf::to_panel16(row, blocks, from.data() + at, to.data() + at);
  return Data(std::move(to));
}

void check(const Data& y, std::int64_t at, const Near& wanted) {
  const double got = y[at];
  if (!(std::abs(got - wanted.value) <= wanted.bound))
    FAIL_CHECK("element " << at << ": " << got << ", not " << wanted.value << " by at most " << wanted.bound);
}

}  // namespace openinfer::kernels
