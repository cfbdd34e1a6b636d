// SPDX-License-Identifier: Apache-2.0
// What stands before kernels in C++.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "codegen/emit/cpp.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

constexpr std::string_view kText =
#include "prelude_kernel.inc"
    ;
constexpr std::string_view kDots =
#include "prelude_kernel_dots.inc"
    ;
constexpr std::string_view kX86 =
#include "prelude_kernel_x86.inc"
    ;
constexpr std::string_view kNeon =
#include "prelude_kernel_neon.inc"
    ;

void fill_in(std::string& text, std::string_view mark, std::string_view with) {
  text.replace(text.find(mark), mark.size(), with);
}

}  // namespace

using kir::Kind;

std::string cpp_memory_type(Kind kind) {
  switch (kind) {
    case Kind::f16: return "kernel::f16";
    case Kind::bf16: return "kernel::bf16";
    case Kind::b1: return "kernel::b1";
    case Kind::i8: return "std::int8_t";
    case Kind::u8: return "std::uint8_t";
    case Kind::i16: return "std::int16_t";
    case Kind::u16: return "std::uint16_t";
    case Kind::i32:
    case Kind::i8x4: return "int";
    case Kind::u32: return "unsigned";
    case Kind::i64: return "std::int64_t";
    case Kind::u64: return "std::uint64_t";
    case Kind::f32: return "float";
    case Kind::f64: return "double";
    case Kind::mma_a:
    case Kind::mma_b:
    case Kind::mma_c:
    case Kind::none: break;
  }
  openinfer::fail(ErrorCode::internal, "[emit] no kind at all in memory");
}

std::string cpp_prelude(int lanes) {
  std::string vectors;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kVectors = {{{"f32", "float"},
                                                                                      {"f64", "double"},
                                                                                      {"i32", "int"},
                                                                                      {"u32", "unsigned"},
                                                                                      {"i64", "std::int64_t"},
                                                                                      {"u64", "std::uint64_t"},
                                                                                      {"b1", "int"}}};
  for (const auto& [kind, element] : kVectors)
    vectors += fmt::format("using {}x{} = Vector<{}, {}>::type;{}\n", kind, lanes, element, lanes,
                           kind == "b1" ? "  // a mask: -1 is true" : "");
  std::string prelude = fmt::format("#define LANES {}\n{}", lanes, kText);
  fill_in(prelude, "VECTORS\n", vectors);
  fill_in(prelude, "DOTS\n", kDots);
  fill_in(prelude, "INSTRUCTIONS\n", fmt::format("{}\n{}", kX86, kNeon));
  return prelude;
}

}  // namespace openinfer::emit
