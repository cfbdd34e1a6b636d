// SPDX-License-Identifier: Apache-2.0
// cast, of every stored format too, fill and iota.
#include <fmt/format.h>

#include "openinfer/ops.h"
#include "tests/matrix/operators.h"
#include "tests/matrix/stored_formats.h"

namespace openinfer::matrix {

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
  add(t, f32, "(5003)", {5003}, false);
  if (t != f32) return;
  // To f32, and one format to all floats.
  for (const DType stored : stored_formats())
    for (const DType result : {f32, f16, bf16, f64})
      for (const bool transposed : {false, true}) {
        if (result != f32 && stored != DType::q4_k) continue;
        to.push_back({.op = std::string(row.name),
                      .dtype = fmt::format("{} -> {}", name(stored), name(result)),
                      .form = transposed ? "(1280, 3) stored transposed" : "(3, 1280)",
                      .build = [=](CellGraph& c) { c.output(cast(c.weight(0), result)); },
                      .weights = {{stored, transposed ? Extents{1280, 3} : Extents{3, 1280}, transposed}},
                      .quick = !transposed && result == f32});
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
