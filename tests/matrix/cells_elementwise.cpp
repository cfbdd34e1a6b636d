// SPDX-License-Identifier: Apache-2.0
// Operators whose result[i] depends on operands[i] alone: straight from the registry, so that one more needs a row in
// operators.cpp only, and a bound if it is no single operation.
#include <fmt/format.h>

#include "openinfer/op_def.h"
#include "openinfer/ops.h"
#include "tests/matrix/operators.h"

namespace openinfer::matrix {
namespace {

/// Of functions: ours is off by at most what codegen/kernels/scalar_functions.cpp states, the C library's by at most
/// 1 ULP (tanh, erf, log1p and expm1 2), and half a ULP comes with each further rounding; a ULP of the exact value may
/// be two numbers where a power of two lies between. Of gelu: 1 + erf cancels for x < 0, so that errors are relative to
/// x.
struct Function {
  std::string_view op;
  double ulp;
  double floor = 0;
  double sum = 0;  // instead of ulp: c of |x|
};
// exp(-x) overflows where x < -88.7: the result is then 0 instead of a number below |x| / largest.
constexpr double kFloor = 1.01 / 3.4028234663852886e38;
constexpr Function kFunctions[] = {{"exp", 3},
                                   {"log", 3},
                                   {"sqrt", 1},
                                   {"rsqrt", 3},
                                   {"sin", 3},
                                   {"cos", 3},
                                   {"tanh", 5},
                                   {"erf", 5},
                                   {"sigmoid", 5, kFloor},
                                   {"silu", 5, 89 * kFloor},
                                   {"gelu", 0, 0, 8},
                                   {"gelu_tanh", 0, 0, 8},
                                   {"log1p", 6},
                                   {"expm1", 6},
                                   {"softplus", 10},
                                   {"pow", 3}};

Bound bound_of(const Operator& op, DType t, const Value& x, const Promise& promise) {
  const bool divides = op.name == "div" || op.name == "recip" || op.name == "floor_div";
  if (divides && is_float(t) && t != f64 && !promise.exact_division) return ulp(1);
  // The machine's own operations; and 1 / sqrt(x) of f64 is that everywhere.
  if (t == f64) return exact();
  for (const Function& f : kFunctions) {
    if (f.op != op.name) continue;
    if (f.sum > 0) return sum_bound(f.sum, [x] { return size_of(x); });
    // In 16 bits: computed in f32, and two numbers beside a tie round to neighbours.
    return ulp(t == f32 ? f.ulp : 1, f.floor);
  }
  return exact();
}

struct ElementwiseForm {
  std::string name;
  std::vector<Shape> shapes;
  bool quick = false;
};

std::vector<ElementwiseForm> forms_of(std::size_t operands, const Dim& N, DType t) {
  const Shape whole = {N, 33}, row = {33}, column = {N, 1}, first = {1, 33};
  // Of the unit label: the others differ from these in how they load and store, which casts and moves show.
  const bool quick = t == f32;
  const bool usual = quick || t == i32 || t == f16 || t == i8 || t == boolean;
  if (operands == 1)
    return {{"(N, 33)", {whole}, usual}, {"()", {{}}, quick}, {"(3, 7, 65)", {{3, 7, 65}}}, {"(5003)", {{5003}}}};
  if (operands == 2)
    return {{"(N, 33) with (N, 33)", {whole, whole}, usual},
            {"(N, 33) with (33)", {whole, row}, quick},
            {"(33) with (N, 33)", {row, whole}},
            {"(N, 1) with (1, 33)", {column, first}, quick},
            {"() with ()", {{}, {}}, quick},
            {"(3, 7, 65) with (7, 1)", {{3, 7, 65}, {7, 1}}},
            {"(5003) with ()", {{5003}, {}}}};
  return {{"(N, 33) three times", {whole, whole, whole}, usual},
          {"(N, 33) with (33) and ()", {whole, row, {}}, quick},
          {"(N, 1) with (1, 33) and (N, 33)", {column, first, whole}},
          {"() three times", {{}, {}, {}}, quick},
          {"(3, 7, 65) with (7, 1) and (65)", {{3, 7, 65}, {7, 1}, {65}}}};
}

/// Numbers as a user writes them beside a value of that dtype.
std::vector<In> numbers_of(DType t) {
  if (t == boolean) return {In(true)};
  if (is_float(t)) return {In(0.1), In(-2)};
  if (t == u64) return {In(3), In(18446744073709551614u)};
  if (t == i64) return {In(-3), In(std::int64_t{9007199254740993})};
  return {In(3), In(is_signed_int(t) ? -100 : 200)};
}

}  // namespace

void elementwise_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const OpDef* op = OpSet::builtin().find(row.name);
  const std::size_t operands = op->operands.size();
  for (const ElementwiseForm& form : forms_of(operands, Dim::symbol("N"), t)) {
    const auto build = [=](CellGraph& c) {
      std::vector<OptionalIn> x;
      for (std::size_t i = 0; i < operands; ++i)
        x.push_back(In(c.input(t, form.shapes[i], every_value(static_cast<int>(i), static_cast<int>(operands)))));
      c.output(openinfer::apply(*op, x).front(), bound_of(row, t, std::get<Value>(x.front()->operand()), c.promise()));
    };
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(t)),
                  .form = form.name,
                  .build = build,
                  .quick = form.quick});
  }
  if (operands != 2) return;
  int i = 0;
  for (const In& number : numbers_of(t)) {
    const auto build = [=](CellGraph& c) {
      const Value x = c.input(t, {Dim::symbol("N"), 33}, every_value());
      c.output(openinfer::apply(*op, {x, number}).front(), bound_of(row, t, x, c.promise()));
    };
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(t)),
                  .form = fmt::format("(N, 33) with number {}", i++),
                  .build = build,
                  .quick = (t == i64 || t == u64) && (row.name == "add" || row.name == "lt")});
  }
}

void select_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const std::string& form, const Shape& condition, const Shape& a, const Shape& b) {
    const auto build = [=](CellGraph& c) {
      const Value which = c.input(boolean, condition, every_value()), x = c.input(t, a, every_value()),
                  y = c.input(t, b, every_value(1, 2));
      c.output(select(which, x, y));
    };
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(t)),
                  .form = form,
                  .build = build,
                  .quick = to.empty() || to.back().op != row.name || to.back().dtype != name(t)});
  };
  const Dim N = Dim::symbol("N");
  add("(N, 33) three times", {N, 33}, {N, 33}, {N, 33});
  add("(N, 1) with (33) and (N, 33)", {N, 1}, {33}, {N, 33});
  add("() with (N, 33) and ()", {}, {N, 33}, {});
  add("(7, 1) with (3, 7, 65) and (65)", {7, 1}, {3, 7, 65}, {65});
}

}  // namespace openinfer::matrix
