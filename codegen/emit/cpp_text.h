// SPDX-License-Identifier: Apache-2.0
// Types and numbers as C++ writes them, and what nothing in a C++ kernel may be called.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::emit {

/// float or double as the shortest literal that is it; `suffix` is "f" or "".
template <class T>
std::string cpp_real(T x, std::string_view suffix) {
  if (std::isnan(x)) return fmt::format("__builtin_nan{}(\"\")", suffix);
  if (std::isinf(x)) return fmt::format("{}__builtin_inf{}()", x < 0 ? "-" : "", suffix);
  std::string text = fmt::format("{}", x);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text + std::string(suffix);
}

/// "float", "std::int64_t": a value of one lane; "mma_a": a fragment. Errors: internal for kinds of memory alone.
std::string cpp_value_type(kir::Kind kind);
/// "f16", "std::int8_t": an element in memory.
std::string cpp_stored_type(kir::Kind kind);
/// A constant of its kind.
std::string cpp_literal(const kir::Node& constant);

/// Is it one that need not be packed? Arrays of what is wider than a byte are loaded through pointers, which a packed
/// struct does not give. They lie at multiples of their size: tensors do, and blocks of such a record are as long.
bool lies_naturally(const kir::Record& record);

/// The language's words, and what every kernel finds in the prelude.
inline constexpr auto kCppReserved = std::to_array<std::string_view>(
    {"alignas",      "alignof",   "and",       "and_eq",    "asm",        "auto",      "bitand",   "bitor",
     "bool",         "break",     "case",      "catch",     "char",       "class",     "compl",    "concept",
     "const",        "consteval", "constexpr", "constinit", "continue",   "decltype",  "default",  "delete",
     "do",           "double",    "else",      "enum",      "explicit",   "export",    "extern",   "false",
     "float",        "for",       "friend",    "goto",      "if",         "inline",    "int",      "long",
     "mutable",      "namespace", "new",       "noexcept",  "not",        "not_eq",    "nullptr",  "operator",
     "or",           "or_eq",     "private",   "protected", "public",     "register",  "requires", "return",
     "short",        "signed",    "sizeof",    "static",    "struct",     "switch",    "template", "this",
     "throw",        "true",      "try",       "typedef",   "typeid",     "typename",  "union",    "unsigned",
     "using",        "virtual",   "void",      "volatile",  "wchar_t",    "while",     "xor",      "xor_eq",
     "abs",          "b1",        "bf16",      "bitcast",   "convert",    "count",     "f16",      "floor",
     "fma",          "gather",    "group",     "half",      "lane",       "lane_sum",  "load",     "max",
     "min",          "narrow",    "ramp",      "round",     "scatter",    "select",    "splat",    "sqrt",
     "std",          "store",     "tail",      "widen",     "lane_max",   "lane_min",  "kernel",   "static_assert",
     "dot4",         "dot4_us",   "bf16_pair", "bf16_dot",  "load_a",     "load_b",    "store_c",  "mma",
     "mma_a",        "mma_b",     "mma_c",     "lane_sums", "load_pairs", "lane_maxs", "turn",     "lane_turn",
     "pair_dots_us", "pair_sum"});

}  // namespace openinfer::emit
