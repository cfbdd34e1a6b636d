// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/cpp_text.h"

#include <algorithm>

#include "codegen/emit/renderer.h"
#include "lib/base/fail.h"

namespace openinfer::emit {

using kir::Kind;

std::string cpp_value_type(Kind kind) {
  switch (kind) {
    case Kind::b1: return "bool";
    case Kind::i32:
    case Kind::i8x4: return "int";
    case Kind::u32: return "unsigned";
    case Kind::i64: return "std::int64_t";
    case Kind::u64: return "std::uint64_t";
    case Kind::f32: return "float";
    case Kind::f64: return "double";
    case Kind::mma_a:
    case Kind::mma_b:
    case Kind::mma_c: return std::string(kir::info(kind).name);
    case Kind::none:
    case Kind::f16:
    case Kind::bf16:
    case Kind::i8:
    case Kind::u8:
    case Kind::i16:
    case Kind::u16: break;
  }
  fail(ErrorCode::internal, "[emit] {} is no value's kind", kir::info(kind).name);
}

std::string cpp_stored_type(Kind kind) {
  switch (kind) {
    case Kind::f16: return "f16";
    case Kind::bf16: return "bf16";
    case Kind::i8: return "std::int8_t";
    case Kind::u8: return "std::uint8_t";
    case Kind::i16: return "std::int16_t";
    case Kind::u16: return "std::uint16_t";
    case Kind::b1: return "b1";
    case Kind::mma_a:
    case Kind::mma_b:
    case Kind::mma_c:
    case Kind::none:
    case Kind::i32:
    case Kind::u32:
    case Kind::i64:
    case Kind::u64:
    case Kind::f32:
    case Kind::f64:
    case Kind::i8x4: break;
  }
  return cpp_value_type(kind);
}

std::string cpp_literal(const kir::Node& n) {
  switch (n.type.kind) {
    case Kind::b1: return n.integer != 0 ? "true" : "false";
    case Kind::u32: return fmt::format("{}u", static_cast<std::uint32_t>(n.integer));
    case Kind::i64: return fmt::format("std::int64_t{{{}}}", i64_text(n.integer, ""));
    case Kind::u64: return fmt::format("std::uint64_t{{{}u}}", static_cast<std::uint64_t>(n.integer));
    case Kind::f32: return cpp_real(static_cast<float>(n.number), "f");
    case Kind::f64: return cpp_real(n.number, "");
    case Kind::mma_a:
    case Kind::mma_b:
    case Kind::mma_c:
    case Kind::none:
    case Kind::i32:
    case Kind::i8x4:
    case Kind::f16:
    case Kind::bf16:
    case Kind::i8:
    case Kind::u8:
    case Kind::i16:
    case Kind::u16: break;
  }
  return i32_text(n.integer);
}

bool lies_naturally(const kir::Record& record) {
  bool arrays = false;
  int at = 0, widest = 1;
  for (const kir::Record::Field& f : record.fields) {
    const int bytes = kir::info(f.kind).bytes;
    if (at % bytes != 0) return false;
    arrays = arrays || (bytes > 1 && f.count > 1);
    widest = std::max(widest, bytes);
    at += bytes * f.count;
  }
  return arrays && at % widest == 0;
}

}  // namespace openinfer::emit
