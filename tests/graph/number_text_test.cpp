// SPDX-License-Identifier: Apache-2.0
// Every element of every plain dtype comes back bit for bit.
#include "lib/graph/number_text.h"

#include <openinfer/openinfer.h>

#include <cstring>
#include <limits>
#include <random>

#include "tests/graph/text.h"

using namespace openinfer;

namespace {

/// The tensor as #c of a text, and back.
void check_round_trip(const Tensor& tensor) {
  GraphBuilder b;
  b.output("y", b.constant("c", tensor));
  const std::string text = to_text(b.build());
  CHECK(printed(text) == text);
  const Graph again = parse(text);
  GraphBuilder c;
  std::size_t differing = 0;
  std::vector<std::byte> bytes(tensor.bytes().size());
  for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.count()); ++i) {
    std::string element = element_text(tensor.dtype(), tensor.bytes(), i);
    NumberText number{element.starts_with('-'), element};
    if (number.negative) number.digits.remove_prefix(1);
    if (const auto open = number.digits.find('('); open != std::string::npos) {
      number.nan_bits = number.digits.substr(open + 1, number.digits.size() - open - 2);
      number.digits = "nan";
    }
    parse_element(number, tensor.dtype(), bytes, i, {});
    const std::size_t size = bytes.size() / static_cast<std::size_t>(tensor.count());
    differing += std::memcmp(bytes.data() + i * size, tensor.bytes().data() + i * size, size) != 0;
  }
  CHECK(differing == 0);
}

template <class Bits>
Tensor every_16_bits(DType dtype, Bits) {
  Tensor tensor(dtype, {65536});
  for (std::size_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    std::memcpy(tensor.mutable_bytes().data() + 2 * i, &bits, 2);
  }
  return tensor;
}

Tensor random_bits(DType dtype, std::int64_t count) {
  Tensor tensor(dtype, {count});
  std::mt19937 random(7);
  for (std::byte& b : tensor.mutable_bytes()) b = static_cast<std::byte>(random());
  return tensor;
}

std::string text_of(float value) {
  Tensor tensor({value});
  return element_text(DType::f32, tensor.bytes(), 0);
}

}  // namespace

TEST_CASE("all_halves_round_trip") {
  check_round_trip(every_16_bits(DType::f16, 0));
  check_round_trip(every_16_bits(DType::bf16, 0));
}

TEST_CASE("random_bits_of_every_plain_dtype_round_trip") {
  for (DType dtype : {f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, DType::f8e4m3, DType::f8e5m2}) {
    INFO(name(dtype));
    check_round_trip(random_bits(dtype, 4096));
  }
}

TEST_CASE("numbers_read_as_a_person_would_write_them") {
  CHECK(text_of(0.1f) == "0.1");
  CHECK(text_of(-0.0f) == "-0");
  CHECK(text_of(500000.0f) == "500000");
  CHECK(text_of(1e-5f) == "1e-05");
  CHECK(text_of(std::numeric_limits<float>::denorm_min()) == "1e-45");
  CHECK(text_of(std::numeric_limits<float>::infinity()) == "inf");
  CHECK(text_of(std::numeric_limits<float>::quiet_NaN()) == "nan");
  CHECK(literal_text(2.0) == "2.0");
  CHECK(literal_text(std::int64_t{2}) == "2");
  const Tensor half(std::vector<Half>{Half(0.1f), Half(65504.0f)}, {2});
  CHECK(element_text(f16, half.bytes(), 0) == "0.1");
  CHECK(element_text(f16, half.bytes(), 1) == "65500");
}

TEST_CASE("elements_that_do_not_fit_are_refused") {
  const auto error = [](const char* dtype, const char* element) {
    return parse_error(fmt::format("oig 1\nconst #c : {}[1] = {{{}}}", dtype, element));
  };
  CHECK(error("u8", "256") == "[oig] 256 does not fit u8 at test.oig:2");
  CHECK(error("u8", "-1") == "[oig] -1 does not fit u8 at test.oig:2");
  CHECK(error("i8", "1.5") == "[oig] 1.5 does not fit i8 at test.oig:2");
  CHECK(error("f16", "65520") ==
        "[oig] 65520 is beyond the largest number of its dtype; write inf if that is meant at test.oig:2");
  CHECK(error("f32", "1e39") == "[oig] '1e39' is no number, or one beyond every float at test.oig:2");
  CHECK(error("f32", "nan(0x3f800000)") == "[oig] nan(0x3f800000) is no NaN of 32 bits at test.oig:2");
  CHECK(error("f32", "nan(0x17fc00000)") == "[oig] '0x17fc00000' is no bit pattern of 32 bits at test.oig:2");
  CHECK(error("bool", "1") == "[oig] a bool is true or false, not 1 at test.oig:2");
  CHECK(error("q8_0", "1") == "[constant] 'c' cannot be q8_0: constants have plain dtypes at test.oig:2");
  CHECK(error("f32", "1, 2") == "[oig] expected '}' behind 1 elements but found ',' at test.oig:2");
}
