// SPDX-License-Identifier: Apache-2.0
#include "lib/base/fail.h"
#include "lib/ops/dtypes.h"
#include "openinfer/scalar_expr.h"

namespace openinfer {

ScalarKind compute_kind(DType dtype) {
  if (is_float8(dtype)) return ScalarKind::u32;
  switch (set_of(dtype)) {
    case kBool: return ScalarKind::boolean;
    case kFloats: return dtype == DType::f64 ? ScalarKind::f64 : ScalarKind::f32;
    case kSigned: return dtype == DType::i64 ? ScalarKind::i64 : ScalarKind::i32;
    case kUnsigned: return dtype == DType::u64 ? ScalarKind::u64 : ScalarKind::u32;
  }
  fail(ErrorCode::unsupported, "[scalar] {} elements have no arithmetic; cast them to a plain dtype", name(dtype));
}

std::string_view name(ScalarKind kind) {
  switch (kind) {
    case ScalarKind::literal: return "literal";
    case ScalarKind::boolean: return "bool";
    case ScalarKind::i32: return "i32";
    case ScalarKind::u32: return "u32";
    case ScalarKind::i64: return "i64";
    case ScalarKind::u64: return "u64";
    case ScalarKind::f32: return "f32";
    case ScalarKind::f64: return "f64";
  }
  return "?";
}

bool is_float(ScalarKind kind) { return kind == ScalarKind::f32 || kind == ScalarKind::f64; }
bool is_signed_int(ScalarKind kind) { return kind == ScalarKind::i32 || kind == ScalarKind::i64; }
bool is_int(ScalarKind kind) { return is_signed_int(kind) || kind == ScalarKind::u32 || kind == ScalarKind::u64; }

int bits_of(ScalarKind kind) {
  switch (kind) {
    case ScalarKind::literal: return 0;
    case ScalarKind::boolean: return 1;
    case ScalarKind::i32:
    case ScalarKind::u32:
    case ScalarKind::f32: return 32;
    case ScalarKind::i64:
    case ScalarKind::u64:
    case ScalarKind::f64: return 64;
  }
  return 0;
}

}  // namespace openinfer
