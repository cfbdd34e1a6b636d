// SPDX-License-Identifier: Apache-2.0
#include "lib/base/dequantize.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "openinfer/error.h"
#include "openinfer/half.h"
#include "tests/source_path.h"

namespace openinfer {
namespace {

std::vector<std::byte> read_file(const std::string& name) {
  std::ifstream file(testing::source_path("tests/base/" + name), std::ios::binary);
  REQUIRE(file);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::uint64_t splitmix64(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

std::vector<std::byte> random_bytes(std::uint64_t seed, std::size_t count) {
  std::vector<std::byte> bytes((count + 7) / 8 * 8);
  for (std::size_t i = 0; i < bytes.size() / 8; ++i) {
    const std::uint64_t word = splitmix64(seed, i);
    std::memcpy(bytes.data() + 8 * i, &word, 8);
  }
  bytes.resize(count);
  return bytes;
}

// Bits, with every NaN alike: which payload an operation on NaNs keeps is the processor's choice.
std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> bits;
  for (float v : values) bits.push_back(std::isnan(v) ? 0x7fc00000u : std::bit_cast<std::uint32_t>(v));
  return bits;
}

std::vector<float> decode(DType dtype, const std::byte* src, std::int64_t count) {
  std::vector<float> y(static_cast<std::size_t>(count));
  dequantize(dtype, src, y.data(), count);
  return y;
}

std::vector<float> decode(DType dtype, std::initializer_list<int> bytes, std::int64_t count) {
  std::vector<std::byte> src;
  for (int b : bytes) src.push_back(static_cast<std::byte>(b));
  return decode(dtype, src.data(), count);
}

}  // namespace

TEST_CASE("every block format dequantises to the bits of the gguf library") {
  const auto data = read_file("dequant_oracle.bin");
  const auto text = read_file("dequant_oracle.json");
  const auto oracle = nlohmann::json::parse(reinterpret_cast<const char*>(text.data()),
                                            reinterpret_cast<const char*>(text.data()) + text.size());
  int block_formats = 0;
  for (const auto& format : oracle) {
    const DType dtype = dtype_from_name(format["dtype"].get<std::string>()).value();
    INFO("dtype " << name(dtype));
    block_formats += is_block(dtype);
    const std::int64_t count = format["blocks"].get<std::int64_t>() * info(dtype).block_size;
    const auto got = bits_of(decode(dtype, data.data() + format["input"].get<std::size_t>(), count));
    std::vector<std::uint32_t> want(static_cast<std::size_t>(count));
    std::memcpy(want.data(), data.data() + format["output"].get<std::size_t>(), want.size() * 4);
    CHECK(got == want);

    const auto blocks = format["hashed_blocks"].get<std::int64_t>();
    const auto random =
        random_bytes(format["seed"].get<std::uint64_t>(), static_cast<std::size_t>(blocks * info(dtype).block_bytes));
    const auto many = bits_of(decode(dtype, random.data(), blocks * info(dtype).block_size));
    for (Simd level : {Simd::generic, Simd::avx2, Simd::avx512}) {
      if (level > simd_level()) continue;
      std::vector<float> y(many.size());
      dequantize_detail::dequantize(level, dtype, random.data(), y.data(), static_cast<std::int64_t>(y.size()));
      CHECK(bits_of(y) == many);
    }
    CHECK(fmt::format("{:016x}", XXH64(many.data(), many.size() * 4, 0)) == format["xxh64"].get<std::string>());
  }
  CHECK(block_formats == 24);  // all of dtype.h
}

TEST_CASE("f64 results of a block format are its f32 results") {
  const auto random = random_bytes(7, 20 * 9);
  const auto floats = bits_of(decode(DType::q4_1, random.data(), 32 * 9));
  std::vector<double> doubles(32 * 9);
  dequantize(DType::q4_1, random.data(), doubles.data(), 32 * 9);
  CHECK(bits_of(std::vector<float>(doubles.begin(), doubles.end())) == floats);
}

TEST_CASE("every f16 and bf16 converts exactly") {
  std::vector<std::uint16_t> all(65536 + 5);  // the odd end runs without vectors
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  const auto* src = reinterpret_cast<const std::byte*>(all.data());
  const auto halves = decode(DType::f16, src, static_cast<std::int64_t>(all.size()));
  const auto bfloats = decode(DType::bf16, src, static_cast<std::int64_t>(all.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    REQUIRE(std::bit_cast<std::uint32_t>(halves[i]) == std::bit_cast<std::uint32_t>(half_to_float(all[i])));
    REQUIRE(std::bit_cast<std::uint32_t>(bfloats[i]) == static_cast<std::uint32_t>(all[i]) << 16);
  }
}

TEST_CASE("every 8-bit float has the value of its formula") {
  std::vector<std::uint8_t> all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
  const auto* src = reinterpret_cast<const std::byte*>(all.data());
  const auto e4m3 = decode(DType::f8e4m3, src, 256), e5m2 = decode(DType::f8e5m2, src, 256);
  for (int i = 0; i < 256; ++i) {
    const double sign = i & 128 ? -1 : 1;
    const int e4 = i >> 3 & 15, m3 = i & 7, e5 = i >> 2 & 31, m2 = i & 3;
    const double four = e4 ? std::ldexp(8 + m3, e4 - 10) : std::ldexp(m3, -9);
    const double five = e5 ? std::ldexp(4 + m2, e5 - 17) : std::ldexp(m2, -16);
    const auto at = static_cast<std::size_t>(i);
    INFO("byte " << i);
    if ((i & 127) == 127)
      CHECK(std::isnan(e4m3[at]));
    else
      CHECK((e4m3[at] == static_cast<float>(sign * four) && std::signbit(e4m3[at]) == (sign < 0)));
    if (e5 == 31)
      CHECK((m2 ? std::isnan(e5m2[at]) : e5m2[at] == static_cast<float>(sign * INFINITY)));
    else
      CHECK((e5m2[at] == static_cast<float>(sign * five) && std::signbit(e5m2[at]) == (sign < 0)));
  }
}

TEST_CASE("packed integers lie lowest bits first") {
  CHECK(decode(DType::u1, {0b10000101}, 8) == std::vector<float>{1, 0, 1, 0, 0, 0, 0, 1});
  CHECK(decode(DType::i1, {0b10000101}, 8) == std::vector<float>{-1, 0, -1, 0, 0, 0, 0, -1});
  CHECK(decode(DType::u2, {0b11100100}, 4) == std::vector<float>{0, 1, 2, 3});
  CHECK(decode(DType::i2, {0b11100100}, 4) == std::vector<float>{0, 1, -2, -1});
  CHECK(decode(DType::u4, {0x8f, 0x07}, 4) == std::vector<float>{15, 8, 7, 0});
  CHECK(decode(DType::i4, {0x8f, 0x07}, 4) == std::vector<float>{-1, -8, 7, 0});
}

TEST_CASE("ternary bytes hold five base-3 digits or four 2-bit codes") {
  // 0·1 + 1·3 + 2·9 + 0·27 + 2·81 = 183
  CHECK(decode(DType::t1, {183, 242, 0}, 15) == std::vector<float>{-1, 0, 1, -1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1});
  CHECK(decode(DType::t2, {0b00100100, 0b10010001}, 8) == std::vector<float>{-1, 0, 1, -1, 0, -1, 0, 1});
}

TEST_CASE("plain numbers convert to nearest") {
  const std::int32_t ints[] = {-2147483647 - 1, 16777217, -3};
  CHECK(decode(DType::i32, reinterpret_cast<const std::byte*>(ints), 3) ==
        std::vector<float>{-2147483648.f, 16777216.f, -3});
  double exact[3];
  dequantize(DType::i32, reinterpret_cast<const std::byte*>(ints), exact, 3);
  CHECK(exact[1] == 16777217.0);
  const std::uint64_t big[] = {~std::uint64_t{0}, 5};
  CHECK(decode(DType::u64, reinterpret_cast<const std::byte*>(big), 2) == std::vector<float>{0x1p64f, 5});
  const double wide[] = {0.1, -1e300};
  CHECK(decode(DType::f64, reinterpret_cast<const std::byte*>(wide), 2) == std::vector<float>{0.1f, -INFINITY});
  CHECK(decode(DType::i8, {0x80, 0x7f}, 2) == std::vector<float>{-128, 127});
  CHECK(decode(DType::boolean, {0, 1}, 2) == std::vector<float>{0, 1});
}

TEST_CASE("a part of a block is refused") {
  const auto bytes = random_bytes(1, 18);
  float y[31];
  CHECK_THROWS_WITH(dequantize(DType::q4_0, bytes.data(), y, 31),
                    "dequantize: 31 elements are no whole number of q4_0 blocks");
}

}  // namespace openinfer
