// SPDX-License-Identifier: Apache-2.0
// cast, of every stored format too, fill and iota.
#include <fmt/format.h>

#include "openinfer/ops.h"
#include "tests/matrix/operators.h"
#include "tests/matrix/stored_formats.h"

namespace openinfer::matrix {
namespace {

/// Of stored formats to f32, and of one of them to all floats.
void stored_cast_cells(const Operator& row, std::vector<Cell>& to) {
  for (const DType stored : stored_formats())
    for (const DType result : {f32, f16, bf16, f64, DType::f8e4m3})
      for (const bool transposed : {false, true}) {
        if (result != f32 && stored != DType::q4_k && stored != DType::f8e4m3) continue;
        to.push_back(
            {.op = std::string(row.name),
             .dtype = fmt::format("{} -> {}", name(stored), name(result)),
             .form = transposed ? "(1280, 3) stored transposed" : "(3, 1280)",
             .build =
                 [=](CellGraph& c) {
                   const Value y = cast(c.weight(0), result);
                   c.output(result == DType::f8e4m3 ? cast(y, f32) : y);
                 },
             .weights = {{stored, transposed ? Extents{1280, 3} : Extents{3, 1280}, transposed, {}, is_float(stored)}},
             .quick = !transposed && result == f32});
      }
}

}  // namespace

void cast_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](DType from, DType result, const std::string& form, const Shape& shape, bool quick) {
    to.push_back({.op = std::string(row.name),
                  .dtype = fmt::format("{} -> {}", name(from), name(result)),
                  .form = form,
                  .build = [=](CellGraph& c) { c.output(cast(c.input(from, shape, every_value()), result)); },
                  .quick = quick});
  };
  const Dim N = Dim::symbol("N");
  for (const DType result : plain_dtypes()) {
    add(t, result, "(N, 33)", {N, 33}, t == f32 || result == f32);
    if (is_float(t) != is_float(result)) add(t, result, "()", {}, false);
  }
  for (const DType small : {DType::f8e4m3, DType::f8e5m2})  // and back, since outputs are compared as plain dtypes
    for (const bool saturate : {false, true})
      to.push_back({.op = std::string(row.name),
                    .dtype = fmt::format("{} -> {}", name(t), name(small)),
                    .form = saturate ? "(N, 129), saturated" : "(N, 129)",
                    .build =
                        [=](CellGraph& c) {
                          const Value x = c.input(t, {N, 129}, every_value());
                          c.output(cast(cast(x, small, {.saturate = saturate}), f32));
                        },
                    .quick = t == f32});
  add(t, f32, "(5003)", {5003}, false);
  const auto add_mode = [&](DType result, const CastOptions& options) {
    to.push_back({.op = std::string(row.name),
                  .dtype = fmt::format("{} -> {}", name(t), name(result)),
                  .form = options.saturate ? "(N, 33), saturated" : fmt::format("(N, 33), by {}", options.rounding),
                  .build =
                      [=](CellGraph& c) {
                        c.output(cast(c.input(t, {N, 33}, every_value()), result, options));
                      },
                  .quick = t == f32 || t == i64});
  };
  for (const DType result : {i8, u32, i64, f16})
    if (is_float(t) && is_int(result))
      for (const char* rounding : {"floor", "ceil", "round", "away"}) add_mode(result, {.rounding = rounding});
    else if (result != t)
      add_mode(result, {.saturate = true});
  for (const bool whole : {false, true})  // weights that the package has the other way round
    to.push_back({.op = std::string(row.name),
                  .dtype = fmt::format("{} -> {}", name(t), name(whole ? t : f32)),
                  .form = whole ? "weight (33, 5) stored transposed, as it is" : "weight (33, 5) stored transposed",
                  .build = [=](CellGraph& c) { c.output(cast(c.weight(0), whole ? t : f32)); },
                  .weights = {{t, {33, 5}, true, every_value()}},
                  .quick = t == f16 || t == i32});
  if (t == f32) stored_cast_cells(row, to);
}

std::vector<QuantisedForm> quantised_forms(DType dtype, std::int64_t rows, std::int64_t columns) {
  std::vector<QuantisedForm> forms;
  const Fill fill = every_value();
  for (const bool transposed : {false, true}) {
    const Extents shape = {rows, columns};
    const std::int64_t first = transposed ? columns : rows, last = transposed ? rows : columns;  // as stored
    const auto add = [&](const char* name, const Extents& scale, int axis, std::int64_t group, DType zero) {
      QuantisedForm form = {.name = std::string(name) + (transposed ? ", stored transposed" : ""), .weights = {}};
      form.weights.push_back({dtype, shape, transposed, fill, false, {1, zero == boolean ? -1 : 2, axis, group}});
      form.weights.push_back({group > 0 ? f16 : f32, scale});
      if (zero != boolean) form.weights.push_back({zero, scale, false, is_float(zero) ? noise(8) : every_value()});
      forms.push_back(std::move(form));
    };
    add("per tensor with i8 zero", {}, 0, 0, i8);
    add("per channel of rows", {first}, 0, 0, boolean);
    add("per channel of columns with f32 zero", {last}, 1, 0, f32);
    add("groups of 8 along rows with u4 zero", {first, last / 8}, 1, 8, last / 8 % 2 == 0 ? DType::u4 : u8);
    add("groups of 4 along columns with f16 zero", {first / 4, last}, 0, 4, f16);
  }
  return forms;
}

void affine_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](DType q, const std::string& form, const std::function<void(CellGraph&)>& build, bool quick,
                       std::vector<StoredTensor> weights = {}) {
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(q)),
                  .form = form,
                  .build = build,
                  .weights = std::move(weights),
                  .quick = quick});
  };
  const Dim N = Dim::symbol("N");
  const auto of = [=](Shape shape, Shape scale, DType zero, AffineOptions options) {
    return [=](CellGraph& c) {
      const Value q = c.input(t, shape, every_value()), s = c.input(f32, scale);
      if (zero == boolean) return c.output(affine(q, s, {}, options));
      c.output(affine(q, s, c.input(zero, scale), options));
    };
  };
  add(t, "(N, 33) with ()", of({N, 33}, {}, t, {}), true);
  add(t, "(5, 12) with (12) along 1", of({5, 12}, {12}, f32, {.axis = 1}), false);
  add(t, "(5, 12) with (5, 3), groups of 4", of({5, 12}, {5, 3}, boolean, {.axis = 1, .group = 4}), false);
  add(t, "(3, 6, 5) with (3, 2, 5), groups of 3", of({3, 6, 5}, {3, 2, 5}, u8, {.axis = 1, .group = 3}), false);
  add(t, "(3, 6, 5) with (6) along 1", of({3, 6, 5}, {6}, bf16, {.axis = 1}), false);
  if (t != i8) return;
  for (const DType q : stored_formats()) {
    if (!is_int(q)) continue;
    for (const QuantisedForm& form : quantised_forms(q, 80, 40))
      add(
          q, form.name, [](CellGraph& c) { c.output(c.weight(0)); }, q == DType::u4, form.weights);
  }
}

void fill_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const Shape& shape, const std::string& form, double value, bool quick) {
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(t)),
                  .form = fmt::format("{} of {}", form, value),
                  .build = [=](CellGraph& c) { c.output(fill(c.b(), shape, value, t)); },
                  .quick = quick});
  };
  const Dim N = Dim::symbol("N");
  add({N, 33}, "(N, 33)", 1, true);
  add({3, 5}, "(3, 5)", 0, false);
  if (t == boolean) return;
  add({N}, "(N)", is_float(t) ? -0.1 : 100, false);
  if (is_float(t)) add({N}, "(N)", -HUGE_VAL, false);
  if (is_signed_int(t)) add({N}, "(N)", -128, false);
}

void iota_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const Shape& shape, const std::string& form, std::int64_t axis, bool quick) {
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(t)),
                  .form = fmt::format("{} along {}", form, axis),
                  .build = [=](CellGraph& c) { c.output(iota(c.b(), shape, axis, t)); },
                  .quick = quick});
  };
  const Dim N = Dim::symbol("N");
  add({N, 33}, "(N, 33)", 0, true);
  add({N, 7}, "(N, 7)", -1, false);
  add({2, N, 5}, "(2, N, 5)", 1, false);
  add({N * 50}, "(50 N)", 0, t == i8 || t == u8 || t == f16 || t == bf16);  // wraps, or rounds
}

}  // namespace openinfer::matrix
