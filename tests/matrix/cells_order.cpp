// SPDX-License-Identifier: Apache-2.0
// What looks along an axis and leaves one: top_k, sort, cumsum, scatter.
#include "openinfer/ops.h"
#include "tests/matrix/operators.h"

namespace openinfer::matrix {
namespace {

Cell cell_of(const Operator& row, DType t, const char* form, std::function<void(CellGraph&)> build, bool quick) {
  return {.op = std::string(row.name),
          .dtype = std::string(name(t)),
          .form = form,
          .build = std::move(build),
          .quick = (quick && is_quick(t)) || t == f32};
}

}  // namespace

void top_k_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const Shape& shape, std::int64_t k, std::int64_t axis, bool quick) {
    const auto build = [=](CellGraph& c) {
      const auto [values, indices] = top_k(c.input(t, shape, every_value()), k, axis);
      c.output(values);
      c.output(indices);
    };
    to.push_back(cell_of(row, t, form, build, quick));
  };
  add("(N, 33), 5 of them", {kN, 33}, 5, -1, true);
  add("(N, 5), all of them", {kN, 5}, 5, -1, false);
  add("(3, 33, N) along 1, 4 of them", {3, 33, kN}, 4, 1, true);
  add("(2, 5003), 9 of them", {2, 5003}, 9, -1, false);
}

void sort_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const Shape& shape, const Sort& options, bool quick) {
    const auto build = [=](CellGraph& c) {
      const auto [values, indices] = sort(c.input(t, shape, every_value()), options);
      c.output(values);
      c.output(indices);
    };
    to.push_back(cell_of(row, t, form, build, quick));
  };
  add("(N, 33)", {kN, 33}, {}, true);
  add("(N, 33) along 0, descending", {kN, 33}, {.axis = 0, .descending = true}, false);
  add("(3, N, 7) along 1", {3, kN, 7}, {.axis = -2}, true);
  add("(2, 5003), descending", {2, 5003}, {.descending = true}, false);
  // The places alone: nobody sees the elements.
  to.push_back(cell_of(
      row, t, "(N, 130), places",
      [=](CellGraph& c) {
        c.output(argsort(c.input(t, {kN, 130}, every_value())));
      },
      false));
}

void cumsum_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const Shape& shape, std::int64_t axis, double count, bool quick) {
    const auto build = [=](CellGraph& c) {
      const Value x = c.input(t, shape, rows_of_noise());
      // In any order: as a sum of all that precede.
      c.output(cumsum(x, axis),
               is_float(t) ? sum_bound(2 * count + 1, [=] { return cumsum(size_of(x), axis); }) : exact());
    };
    to.push_back(cell_of(row, t, form, build, quick));
  };
  add("(N, 33)", {kN, 33}, -1, 33, true);
  add("(N, 33) along 0", {kN, 33}, 0, 65, false);
  add("(3, N, 7) along 1", {3, kN, 7}, 1, 65, false);
  add("(2, 5003)", {2, 5003}, -1, 5003, false);
}

void scatter_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, DType id, const Shape& x, const Shape& places, const Shape& updates,
                       std::int64_t axis, std::int64_t entries, bool sums, bool quick) {
    const auto build = [=](CellGraph& c) {
      const Fill fill = sums ? noise() : every_value();
      const Value to = c.input(t, x, fill), at = c.input(id, places, ids(entries)), from = c.input(t, updates, fill);
      c.output(sums ? scatter_add(to, at, from, axis) : scatter(to, at, from, axis));
    };
    to.push_back(cell_of(row, t, form, build, quick));
  };
  add("(9, 33) at i32 (N)", i32, {9, 33}, {kN}, {kN, 33}, 0, 9, false, true);
  add("(9, 33) at i64 (N)", i64, {9, 33}, {kN}, {kN, 33}, 0, 9, false, false);
  add("(N, 9, 5) at (2, 3) along 1", i32, {kN, 9, 5}, {2, 3}, {kN, 2, 3, 5}, 1, 9, false, false);
  add("(3, 65) at () along -1", i32, {3, 65}, {}, {3}, -1, 65, false, false);
  if (t != boolean) add("(9, 33) at i32 (N), added", i32, {9, 33}, {kN}, {kN, 33}, 0, 9, true, true);
}

}  // namespace openinfer::matrix
