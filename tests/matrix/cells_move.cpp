// SPDX-License-Identifier: Apache-2.0
// What moves elements and keeps their bits: gather, reshape, transpose, slice, broadcast, concat.
#include <fmt/format.h>

#include "openinfer/ops.h"
#include "tests/matrix/operators.h"
#include "tests/matrix/stored_formats.h"

namespace openinfer::matrix {
namespace {

/// Of the unit label: one dtype of each width.
bool is_of_each_width(DType t) { return t == f32 || t == f16 || t == f64 || t == i8; }

/// y = f(x) in some form of an operator of one operand.
struct Move {
  const char* op;
  const char* form;
  Shape x;
  Value (*f)(const Value& x);
  bool quick = false;
};

const Move kMoves[] = {
    {"broadcast",
     "(33) to (N, 33)",
     {33},
     [](const Value& x) {
       return broadcast(x, {kN, 33});
     },
     true},
    {"broadcast",
     "(N, 1) to (3, N, 7)",
     {kN, 1},
     [](const Value& x) {
       return broadcast(x, {3, kN, 7});
     }},
    {"broadcast",
     "() to (2, N)",
     {},
     [](const Value& x) {
       return broadcast(x, {2, kN});
     }},
    {"broadcast",
     "(3, 1, 5) to (3, 65, 5)",
     {3, 1, 5},
     [](const Value& x) {
       return broadcast(x, {3, 65, 5});
     }},
    {"flip", "(N, 33) along 1", {kN, 33}, [](const Value& x) { return flip(x, {1}); }, true},
    {"flip", "(N, 33) along 0", {kN, 33}, [](const Value& x) { return flip(x, {0}); }},
    {"flip",
     "(3, N, 7) along 0 2",
     {3, kN, 7},
     [](const Value& x) {
       return flip(x, {0, -1});
     }},
    {"flip", "(5003)", {5003}, [](const Value& x) { return flip(x, {0}); }},
    {"reshape",
     "(N, 33) to (N, 3, 11)",
     {kN, 33},
     [](const Value& x) {
       return reshape(x, {kN, 3, 11});
     },
     true},
    {"reshape", "(N, 33) to (-1)", {kN, 33}, [](const Value& x) { return reshape(x, {-1}); }},
    {"slice",
     "(N, 33)[:, 5:32]",
     {kN, 33},
     [](const Value& x) { return slice(x, {.axis = 1, .begin = 5, .end = 32}); },
     true},
    {"slice",
     "(N, 33)[:, 1:33:4]",
     {kN, 33},
     [](const Value& x) { return slice(x, {.axis = -1, .begin = 1, .end = 33, .step = 4}); }},
    {"slice",
     "(130, 3)[N:2N]",
     {130, 3},
     [](const Value& x) { return slice(x, {.axis = 0, .begin = kN, .end = 2 * kN}); }},
    {"slice",
     "(7, 65, 2)[:, 64:65]",
     {7, 65, 2},
     [](const Value& x) { return slice(x, {.axis = 1, .begin = 64, .end = 65}); }},
    {"transpose", "(N, 33)", {kN, 33}, [](const Value& x) { return transpose(x); }, true},
    {"transpose",
     "(3, N, 7) by 1 2 0",
     {3, kN, 7},
     [](const Value& x) {
       return transpose(x, {1, 2, 0});
     }},
    {"transpose",
     "(5, 33, 65) by 2 1 0",
     {5, 33, 65},
     [](const Value& x) {
       return transpose(x, {2, 1, 0});
     }},
    {"transpose", "(33) by 0", {33}, [](const Value& x) { return transpose(x, {0}); }},
};

}  // namespace

void move_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  for (const Move& m : kMoves)
    if (m.op == row.name)
      to.push_back({.op = m.op,
                    .dtype = std::string(name(t)),
                    .form = m.form,
                    .build = [=](CellGraph& c) { c.output(m.f(c.input(t, m.x, every_value()))); },
                    .quick = (m.quick && is_of_each_width(t)) || (t == f32 && row.name != "transpose")});
}

void concat_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const std::vector<Shape>& parts, std::int64_t axis, bool quick) {
    const auto build = [=](CellGraph& c) {
      std::vector<In> x;
      for (const Shape& part : parts) x.emplace_back(c.input(t, part, every_value()));
      c.output(concat(x, axis));
    };
    to.push_back(
        {.op = std::string(row.name), .dtype = std::string(name(t)), .form = form, .build = build, .quick = quick});
  };
  add("(N, 5) (N, 33) (N, 1) along 1", {{kN, 5}, {kN, 33}, {kN, 1}}, 1, is_of_each_width(t));
  add("(N, 7) (3, 7) (N, 7) along 0", {{kN, 7}, {3, 7}, {kN, 7}}, 0, t == f32);
  add("(2, N, 3) (2, 65, 3) along -2", {{2, kN, 3}, {2, 65, 3}}, -2, false);
  add("(65) alone", {{65}}, 0, false);
}

void gather_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const std::string& dtype, const std::string& form, const std::function<void(CellGraph&)>& build,
                       bool quick, std::vector<StoredTensor> weights = {}) {
    to.push_back({.op = std::string(row.name),
                  .dtype = dtype,
                  .form = form,
                  .build = build,
                  .weights = std::move(weights),
                  .quick = quick});
  };
  const std::string dtype(name(t));
  const auto rows = [=](DType id) {
    return [=](CellGraph& c) {
      const Value table = c.input(t, {40, 33}, every_value());
      c.output(gather(table, c.input(id, {kN}, ids(40))));
    };
  };
  add(dtype, "(40, 33) at i32 (N)", rows(i32), is_of_each_width(t));
  add(dtype, "(40, 33) at i64 (N)", rows(i64), t == f32);
  add(
      dtype, "(N, 9, 5) at (7, 3) along 1",
      [=](CellGraph& c) {
        const Value table = c.input(t, {kN, 9, 5}, every_value());
        c.output(gather(table, c.input(i32, {7, 3}, ids(9)), 1));
      },
      false);
  add(
      dtype, "(3, 65) at () along -1",
      [=](CellGraph& c) {
        c.output(gather(c.input(t, {3, 65}, every_value()), c.input(i32, {}, ids(65)), -1));
      },
      false);
  const auto stored = [](CellGraph& c) { c.output(gather(c.weight(0), c.input(i32, {kN}, ids(40)))); };
  add(dtype, "weight (40, 33) at (N)", stored, false, {{t, {40, 33}, false, every_value()}});
  add(dtype, "weight (40, 33), stored transposed, at (N)", stored, t == f32, {{t, {40, 33}, true, every_value()}});
  if (t != f32) return;
  for (const DType format : stored_formats()) {
    const auto rows_of = [format](std::int64_t entries) {
      return [=](CellGraph& c) {
        const Value y = gather(c.weight(0), c.input(i32, {kN}, ids(entries)));
        c.output(is_float(format) ? cast(y, f32) : y);  // 8-bit floats stay what they are
      };
    };
    const std::string of(name(format));
    add(of, "weight (40, 1280) at (N)", rows_of(40), true, {{format, {40, 1280}, false, {}, is_float(format)}});
    if (format == DType::i4)
      for (const QuantisedForm& form : quantised_forms(format, 40, 80))
        add(of, "affine " + form.name, rows_of(40), true, form.weights);
    add(of, "weight (1280, 40), stored transposed, at (N)", rows_of(1280), format == DType::q4_k,
        {{format, {1280, 40}, true}});
  }
}

}  // namespace openinfer::matrix
