// SPDX-License-Identifier: Apache-2.0
// q8_0 in the graph: bytes and scales as two tensors.
#include "lib/base/fail.h"
#include "lib/ops/compose.h"
#include "lib/ops/dtypes.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// (…, K) → (…, K / block, block)
Shape shape_in_blocks(std::string_view op, const Value& x, std::int64_t block, Location at) {
  Shape shape = x.shape();
  if (block < 1 || shape.empty() || !shape.back().is_constant() || shape.back().constant() % block != 0)
    fail_at(at, ErrorCode::shape_mismatch, "[{}] rows of {} {} are no whole blocks of {}", op, described(x),
            to_string(shape), block);
  shape.back() = shape.back().constant() / block;
  shape.push_back(block);
  return shape;
}

}  // namespace

std::tuple<Value, Value> quantize(const In& in, std::int64_t block) {
  const Location at = in.at();
  const Value x = value_in("quantize", in);
  if (!is_float(x.dtype()))  // [C1]
    fail_at(at, ErrorCode::dtype_mismatch, "[quantize] takes {}, not {} {}", dtype_names(kFloats), described(x),
            x.type().to_string());
  const Shape blocks = shape_in_blocks("quantize", x, block, at);  // [C2]
  const Value rows = reshape(In(cast(In(x, at), f32), at), blocks);
  const Value most = max(In(abs(In(rows, at)), at), Over{.axes = {-1}, .keepdims = true});
  const Value scale = mul(In(most, at), In(1.0f / 127, at));
  const Value divisor = select(In(eq(In(scale, at), In(0.0f, at)), at), In(1.0f, at), In(scale, at));
  const Value steps = div(In(rows, at), In(divisor, at));
  // To the nearest, halves away from zero: a conversion truncates.
  const Value half = select(In(lt(In(steps, at), In(0.0f, at)), at), In(-0.5f, at), In(0.5f, at));
  const Value q = cast(In(add(In(steps, at), In(half, at)), at), i8);
  const Shape scales(blocks.begin(), blocks.end() - 1);
  return {reshape(In(q, at), x.shape()), cast(In(reshape(In(scale, at), scales), at), f16)};
}

Value dequantize(const In& q_in, const In& scale_in, DType dtype) {
  const Location at = q_in.at();
  const Value q = value_in("dequantize", q_in, {scale_in}), scale = value_in("dequantize", scale_in, {q_in});
  if (q.dtype() != i8 || !is_float(scale.dtype()))  // [C1]
    fail_at(at, ErrorCode::dtype_mismatch, "[dequantize] takes i8 and a float dtype, not {} {} and {} {}", described(q),
            q.type().to_string(), described(scale), scale.type().to_string());
  Shape column = scale.shape(), wanted = q.shape();
  const bool constant =
      !column.empty() && !wanted.empty() && column.back().is_constant() && wanted.back().is_constant();
  const std::int64_t blocks = constant ? column.back().constant() : 0;
  const bool divides = blocks > 0 && wanted.back().constant() % blocks == 0;
  const std::int64_t block = divides ? wanted.back().constant() / blocks : 0;
  if (divides) wanted.back() = blocks;
  if (!divides || column != wanted)  // [C2]
    fail_at(at, ErrorCode::shape_mismatch, "[dequantize] {} {} has no scale for each block of {} {}", described(scale),
            to_string(scale.shape()), described(q), to_string(q.shape()));
  wanted.push_back(block);
  column.push_back(1);
  const Value numbers = cast(In(reshape(In(q, at), wanted), at), f32);
  const Value y = mul(In(numbers, at), In(cast(In(reshape(In(scale, at), column), at), f32), at));
  return cast(In(reshape(In(y, at), q.shape()), at), dtype);
}

}  // namespace openinfer
