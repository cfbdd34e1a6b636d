// SPDX-License-Identifier: Apache-2.0
// Both operations round to f32, as do integers that no f32 holds.
#include "lib/ops/affine.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "lib/base/dequantize.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/dtypes.h"
#include "lib/ops/lower.h"
#include "lib/ops/row_cost.h"
#include "lib/ops/stored.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// Extents of a shape that has numbers only, for affine_places; symbols count as -1, which equal numbers nowhere.
Extents numbers_of_shape(const Shape& shape) {
  Extents extents;
  for (const Dim& d : shape) extents.push_back(d.is_constant() ? d.constant() : -1);
  return extents;
}

/// How q is stored is known when it is read: here scale fits one way or the other.
void check_scales(const InferContext& c, std::size_t operand, std::int64_t axis, std::int64_t group) {
  const Extents scale = numbers_of_shape(c.type(operand).shape);
  Extents q = numbers_of_shape(c.type(0).shape);
  std::string why, other;
  affine_places(q, scale, axis, group, why);
  if (why.empty()) return;
  if (q.size() >= 2) std::swap(q[q.size() - 1], q[q.size() - 2]);
  affine_places(q, scale, axis, group, other);
  if (!other.empty())
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("{} {} does not fit {} {}: {}", c.describe(operand), c.type(operand).to_string(), c.describe(0),
                       c.type(0).to_string(), why));
}

std::vector<TensorType> infer_affine(const InferContext& c) {
  if (!is_int(c.type(0).dtype))  // [C1]
    c.fail(ErrorCode::dtype_mismatch,
           fmt::format("takes integers, packed ones too, not {} {}", c.describe(0), c.type(0).to_string()));
  if (!is_float(c.type(1).dtype))  // [C1]
    c.fail(ErrorCode::dtype_mismatch,
           fmt::format("a scale is a float, not {} {}", c.describe(1), c.type(1).to_string()));
  if (c.has(2) && !is_float(c.type(2).dtype) && !is_int(c.type(2).dtype))  // [C1]
    c.fail(ErrorCode::dtype_mismatch,
           fmt::format("a zero point is an integer or a float, not {} {}", c.describe(2), c.type(2).to_string()));
  const std::int64_t axis = c.integer("axis"), group = c.integer("group");
  if (axis < 0 || group < 0)  // [C2]
    c.fail(ErrorCode::invalid_argument, fmt::format("axis {} and group {} are not negative", axis, group));
  check_scales(c, 1, axis, group);                     // [C3]
  if (c.has(2) && c.type(2).shape != c.type(1).shape)  // [C3]
    c.fail(ErrorCode::shape_mismatch, fmt::format("scale {} and zero point {} differ in shape",
                                                  to_string(c.type(1).shape), to_string(c.type(2).shape)));
  return {{f32, c.type(0).shape}};
}

/// All of a small operand.
std::vector<float> whole_operand(const OpRun& run, std::size_t operand) {
  const TensorView view = run.in(operand);
  std::vector<float> all(static_cast<std::size_t>(view.count()));
  if (all.empty()) return all;
  const StoredMatrix m(view);
  dequantize(view.dtype, run.stored_rows(operand, 0, m.rows), all.data(), view.count());
  return all;
}

void reference_affine(OpRun& run) {
  const TensorView q = run.in(0);
  float* y = run.out(0).as<float>();
  Extents stored = q.shape;
  if (q.transposed) std::swap(stored[stored.size() - 1], stored[stored.size() - 2]);
  std::string why;
  const AffinePlaces places = affine_places(stored, run.in(1).shape, run.integer("axis"), run.integer("group"), why);
  if (!why.empty()) run.fail(ErrorCode::shape_mismatch, "the scale does not fit the tensor as it is stored: " + why);
  if (q.count() == 0) return;
  const std::vector<float> scale = whole_operand(run, 1);
  const std::vector<float> zero = run.has(2) ? whole_operand(run, 2) : std::vector<float>(scale.size());
  const StoredMatrix m(q);
  const std::int64_t columns = q.transposed ? q.shape.back() : 1;  // of the result, where rows of q are columns
  run.parallel_for(m.rows, 1 + 8192 / m.length, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> row(static_cast<std::size_t>(m.length));
    for (std::int64_t r = begin; r < end; ++r) {
      decode_rows(run, 0, m, r, 1, row.data(), m.length);
      const std::int64_t first = q.transposed ? r / columns * columns * m.length + r % columns : r * m.length;
      for (std::int64_t i = 0; i < m.length; ++i) {
        const auto at = static_cast<std::size_t>(places.of<std::int64_t>(r, i, 0));
        y[first + i * columns] = (row[static_cast<std::size_t>(i)] - zero[at]) * scale[at];
      }
    }
  });
}

/// Scale and zero point, which are read whole; a row of each thread.
Workspace workspace_affine(const OpRun& run) {
  const StoredMatrix m(run.in(0));
  Workspace space = {
      .shared_bytes = 2 * run.in(1).count() * 4, .per_thread_bytes = m.length * 4, .stored_rows_bytes = m.row_bytes};
  for (const std::size_t operand : {1u, 2u}) {
    if (!run.has(operand)) continue;
    const StoredMatrix whole(run.in(operand));
    space.stored_rows_bytes = std::max(space.stored_rows_bytes, whole.rows * whole.row_bytes);
  }
  return space;
}

}  // namespace

AffinePlaces affine_places(const Extents& stored, const Extents& scale, std::int64_t axis, std::int64_t group,
                           std::string& why) {
  AffinePlaces p;
  why.clear();
  if (scale.empty()) {
    p.is_tensor = true;
    return p;
  }
  const auto rank = static_cast<std::int64_t>(stored.size());
  if (axis >= rank) {
    why = fmt::format("it has no axis {}", axis);
    return p;
  }
  const auto a = static_cast<std::size_t>(axis);
  Extents wanted = {stored[a]};
  if (group > 0) {
    wanted = stored;
    wanted[a] = stored[a] % group == 0 ? stored[a] / group : -1;
  }
  if (scale != wanted) {
    why = fmt::format("{} is wanted for axis {} and group {}", to_string(wanted), axis, group);
    return p;
  }
  p.is_channel = group == 0;
  p.along_row = axis == rank - 1;
  p.length = stored.back();
  p.extent = stored[a];
  p.group = std::max<std::int64_t>(group, 1);
  for (std::size_t d = a + 1; d + 1 < stored.size(); ++d) p.inner *= stored[d];
  return p;
}

const OpDef& affine_op() {
  using Presence = OperandSpec::Presence;
  static const OpDef op = {
      .name = "affine",
      .operands =
          {{.name = "q", .stored = true},
           {.name = "scale", .stored = true, .shares_dtype = false},
           {.name = "zero", .presence = Presence::optional, .keyword = true, .stored = true, .shares_dtype = false}},
      .attributes = {{"axis", AttributeKind::integer, std::int64_t{0}},
                     {"group", AttributeKind::integer, std::int64_t{0}}},
      .infer = infer_affine,
      .reference = reference_affine,
      .lower = lower_to_kernel,
      .cost = row_cost<2>,
      .workspace = workspace_affine};
  return op;
}

Value affine(const In& q, const In& scale, const OptionalIn& zero, AffineOptions options) {
  Attributes attributes;
  if (options.axis != 0) attributes.set("axis", options.axis);
  if (options.group != 0) attributes.set("group", options.group);
  return call(affine_op(), {q, scale, zero}, std::move(attributes));
}

}  // namespace openinfer
