// SPDX-License-Identifier: Apache-2.0
// Numbers as the graph text writes them: the shortest decimal that reads back as the same bits; inf, nan, and
// nan(0x7fc00001) for a NaN that is not the dtype's usual quiet one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "openinfer/dtype.h"
#include "openinfer/error.h"
#include "openinfer/graph.h"

namespace openinfer {

/// A number as written: a sign and one of digits, "inf", "nan", "true", "false", a 0x bit pattern, or a NaN's bits.
struct NumberText {
  bool negative = false;
  std::string_view digits;
  std::string_view nan_bits = {};  // "0x7fc00001" of nan(0x7fc00001)
};

std::string number_text(double value);
/// A fraction keeps its point, "2.0", so that it does not read as an integer.
std::string literal_text(const Number& number);
/// Element `i` of a plain dtype's bytes; f8 elements print as their bit pattern.
std::string element_text(DType dtype, std::span<const std::byte> bytes, std::size_t i);

/// Errors of all three: invalid_argument if the number is malformed or the dtype cannot hold it.
Number parse_literal(const NumberText& number, Location at);
double parse_double(const NumberText& number, Location at);
void parse_element(const NumberText& number, DType dtype, std::span<std::byte> bytes, std::size_t i, Location at);

}  // namespace openinfer
