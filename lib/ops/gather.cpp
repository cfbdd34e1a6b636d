// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "lib/base/dequantize.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/shapes.h"
#include "lib/ops/stored.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// Elements without a byte address of their own: block formats, packed integers, ternary digits.
bool is_packed(DType dtype) { return info(dtype).block_size != 1; }

bool can_be_ids(const TensorType& type) { return type.dtype == i32 || type.dtype == i64; }

/// What stands where the ids are expected; and the table, where the two may have been exchanged.
std::string not_ids(const InferContext& c) {
  const TensorType &table = c.type(0), &ids = c.type(1);
  std::string message = fmt::format("ids are i32 or i64, not {} {}", c.describe(1), ids.to_string());
  if (can_be_ids(table))
    message += fmt::format("; expected is gather(table, ids), and the table here is {} {}: exchange the two?",
                           c.describe(0), table.to_string());
  return message;
}

std::vector<TensorType> infer_gather(const InferContext& c) {
  const TensorType &table = c.type(0), &ids = c.type(1);
  if (!can_be_ids(ids)) c.fail(ErrorCode::dtype_mismatch, not_ids(c));   // [C1]
  const std::size_t axis = axis_in(c, 0, c.integer("axis"));             // [C2]
  if (is_packed(table.dtype) && (table.shape.size() != 2 || axis != 0))  // [C3]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("a {} table has two dimensions and is gathered along axis 0, not {} {} along axis {}; cast it",
                       name(table.dtype), c.describe(0), to_string(table.shape), axis));
  Shape shape(table.shape.begin(), table.shape.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), ids.shape.begin(), ids.shape.end());
  shape.insert(shape.end(), table.shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, table.shape.end());
  return {{is_packed(table.dtype) ? f32 : table.dtype, std::move(shape)}};
}

/// The ids, each within [0, V).
std::vector<std::int64_t> read_ids(const OpRun& run, std::int64_t V) {
  const TensorView view = run.in(1);
  std::vector<std::int64_t> ids(static_cast<std::size_t>(view.count()));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = view.dtype == i32 ? view.as<std::int32_t>()[i] : view.as<std::int64_t>()[i];
    if (ids[i] < 0 || ids[i] >= V)
      run.fail(ErrorCode::invalid_argument,
               fmt::format("id {} at place {} is outside the table, which has {} entries", ids[i], i, V));
  }
  return ids;
}

void gather_packed(OpRun& run, const StoredMatrix& m, bool transposed, const std::vector<std::int64_t>& ids) {
  float* y = run.out(0).as<float>();
  const std::int64_t D = transposed ? m.rows : m.length;
  run.parallel_for(static_cast<std::int64_t>(ids.size()), 1 + 8192 / (D + 1),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       const std::int64_t id = ids[static_cast<std::size_t>(i)];
                       if (transposed)
                         decode_columns(run, 0, m, 0, m.rows, id, id + 1, y + i * D, D);
                       else
                         decode_rows(run, 0, m, id, 1, y + i * D, D);
                     }
                   });
}

/// Element `index` of the logical table, row-major, as it lies in memory.
const std::byte* element(const OpRun& run, const TensorView& table, const StoredMatrix& m, std::int64_t index) {
  std::int64_t row = index / table.shape.back(), column = index % table.shape.back();
  if (table.transposed) {
    const std::int64_t columns = table.shape.back(), rows = table.shape[table.shape.size() - 2];
    const std::int64_t matrix = row / rows;
    std::swap(row, column);
    row += matrix * columns;
    column -= matrix * rows;
  }
  return run.stored_rows(0, row, 1) + column * size_bytes(m.dtype, 1);
}

void gather_plain(OpRun& run, const TensorView& table, std::size_t axis, const std::vector<std::int64_t>& ids) {
  const TensorSpan y = run.out(0);
  const StoredMatrix m(table);
  const std::int64_t V = table.shape[axis], size = size_bytes(table.dtype, 1);
  std::int64_t inner = 1;
  for (std::size_t d = axis + 1; d < table.shape.size(); ++d) inner *= table.shape[d];
  const bool whole_rows = !table.transposed && axis + 1 < table.shape.size();
  const auto J = static_cast<std::int64_t>(ids.size());
  run.parallel_for(y.count() / inner, 1 + 8192 / inner, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {  // (outer, j): `inner` elements one behind the other
      const std::int64_t from = (piece / J * V + ids[static_cast<std::size_t>(piece % J)]) * inner;
      std::byte* to = y.data + piece * inner * size;
      if (whole_rows)
        std::copy_n(run.stored_rows(0, from / m.length, inner / m.length), inner * size, to);
      else
        for (std::int64_t e = 0; e < inner; ++e) std::copy_n(element(run, table, m, from + e), size, to + e * size);
    }
  });
}

void reference_gather(OpRun& run) {
  const TensorView table = run.in(0);
  const auto rank = static_cast<std::int64_t>(table.shape.size());
  const std::int64_t given = run.integer("axis");
  const auto axis = static_cast<std::size_t>(given < 0 ? given + rank : given);
  const auto ids = read_ids(run, table.shape[axis]);
  if (run.out(0).count() == 0) return;
  if (is_packed(table.dtype))
    gather_packed(run, StoredMatrix(table), table.transposed, ids);
  else
    gather_plain(run, table, axis, ids);
}

/// The ids; rows that follow one another for one id, or, of a packed table that is transposed, those of a column.
Workspace workspace_gather(const OpRun& run) {
  const TensorView table = run.in(0);
  const StoredMatrix m(table);
  const std::int64_t ids = run.in(1).count() * 8;
  if (is_packed(table.dtype)) {
    const std::int64_t some = std::min(m.rows, table.transposed ? kRowsAtOnce : 1);
    return {ids, 2 * info(table.dtype).block_size * 4, some * m.row_bytes};
  }
  const std::int64_t given = run.integer("axis"), rank = std::ssize(table.shape);
  std::int64_t inner = 1;
  for (std::int64_t d = (given < 0 ? given + rank : given) + 1; d < rank; ++d)
    inner *= table.shape[static_cast<std::size_t>(d)];
  const std::int64_t rows = m.length == 0 ? 0 : std::max<std::int64_t>(1, inner / m.length);
  return {ids, 0, rows * m.row_bytes};
}

}  // namespace

const OpDef& gather_op() {
  static const OpDef op = {.name = "gather",
                           .operands = {{.name = "table", .stored = true}, {.name = "ids", .shares_dtype = false}},
                           .attributes = {{"axis", AttributeKind::integer, std::int64_t{0}}},
                           .infer = infer_gather,
                           .reference = reference_gather,
                           .lower = lower_to_kernel,
                           .workspace = workspace_gather};
  return op;
}

Value gather(const In& table, const In& ids, std::int64_t axis) {
  Attributes attributes;
  if (axis != 0) attributes.set("axis", axis);
  return call(gather_op(), {table, ids}, std::move(attributes));
}

}  // namespace openinfer
