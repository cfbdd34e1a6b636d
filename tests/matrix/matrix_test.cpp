// SPDX-License-Identifier: Apache-2.0
// Every operator × dtype × form in the simulator and on every runner.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <set>

#include "openinfer/op_def.h"
#include "tests/matrix/operators.h"
#include "tests/matrix/refusals.h"
#include "tests/matrix/run.h"

using namespace openinfer;
using namespace openinfer::matrix;

namespace {

/// Runs what no row of the table refuses.
void check_cells(const std::vector<Cell>& cells, Backend backend = Backend::cpu) {
  const std::optional<Runner> runner = runner_of(backend);
  if (!runner) {
    WARN("skipped: no " << openinfer::name(backend) << " on this machine");
    return;
  }
  std::vector<Cell> running;
  for (const Cell& cell : cells)
    if (!refusal_of(cell)) running.push_back(cell);
  REQUIRE(!running.empty());
  for (const std::string& failure : failures_of(running, *runner)) FAIL_CHECK(failure);
}

std::vector<Cell> quick_cells() {
  std::vector<Cell> cells;
  for (Cell& cell : all_cells())
    if (cell.quick) cells.push_back(std::move(cell));
  return cells;
}

/// What building the cell's graph says.
std::optional<ErrorCode> error_of(const Cell& cell) {
  GraphBuilder b;
  static const Model kNone{nullptr};
  CellGraph c(b, kNone, cell, 0, {}, false);
  try {
    cell.build(c);
    return std::nullopt;
  } catch (const Error& e) {
    return e.code();
  }
}

}  // namespace

TEST_CASE("every operator of the library has a row, in its order") {
  std::vector<std::string> rows, library;
  for (const Operator& op : operators()) rows.emplace_back(op.name);
  for (const OpDef* op : OpSet::builtin().all()) library.emplace_back(op->name);
  CHECK(rows == library);
}

TEST_CASE("an operator takes the dtypes of its row and no other") {
  for (const Operator& op : operators())
    for (const DType t : plain_dtypes()) {
      std::vector<Cell> cells;
      op.cells(op, t, cells);
      REQUIRE(!cells.empty());
      INFO(cells.front().name());
      const std::optional<ErrorCode> error = error_of(cells.front());
      CHECK(error.has_value() != contains(op.takes, t));
      // A cache that is no float is refused before an operator sees it.
      if (error) CHECK((*error == ErrorCode::dtype_mismatch || *error == ErrorCode::invalid_argument));
    }
}

TEST_CASE("cells have names of their own") {
  std::set<std::string> names;
  for (const Cell& cell : all_cells()) {
    INFO(cell.name());
    CHECK(names.insert(cell.name()).second);
  }
}

TEST_CASE("what no kernel serves is refused with the user's line, and the table has nothing else") {
  std::set<const Refusal*> used;
  for (const Cell& cell : all_cells()) {
    const Refusal* row = refusal_of(cell);
    if (!row) continue;
    used.insert(row);
    std::string why;
    const std::string message = refusal(cell, *runner_of(Backend::cpu), why);
    INFO(cell.name() << ": " << why);
    CHECK_THAT(message, Catch::Contains(std::string(row->message)) && Catch::Contains("cells_"));
  }
  for (const Refusal& row : refusals()) {
    INFO(row.op << ", " << row.dtype << ", " << row.form);
    CHECK(used.contains(&row));
  }
}

TEST_CASE("cells of every operator and dtype") { check_cells(quick_cells()); }
TEST_CASE("cells of every operator and dtype on a Vulkan device", "[.vulkan]") {
  check_cells(quick_cells(), Backend::vulkan);
}

TEST_CASE("all elementwise cells", "[.all][elementwise]") { check_cells(all_cells("elementwise")); }
TEST_CASE("all cells of comparisons and selections", "[.all][compare]") { check_cells(all_cells("compare")); }
TEST_CASE("all cells of conversions", "[.all][convert]") { check_cells(all_cells("convert")); }
TEST_CASE("all cells of moves", "[.all][move]") { check_cells(all_cells("move")); }
TEST_CASE("all cells of operators over axes", "[.all][reduce]") { check_cells(all_cells("reduce")); }
TEST_CASE("all cells of order and places", "[.all][order]") { check_cells(all_cells("order")); }
TEST_CASE("all cells of products", "[.all][product]") { check_cells(all_cells("product")); }
TEST_CASE("all cells of attention and states", "[.all][attention]") { check_cells(all_cells("attention")); }

TEST_CASE("cells whose name has $OPENINFER_CELLS in it", "[.some]") {
  const char* part = std::getenv("OPENINFER_CELLS");
  REQUIRE(part != nullptr);
  std::vector<Cell> cells;
  for (Cell& cell : all_cells())
    if (cell.name().find(part) != std::string::npos) cells.push_back(std::move(cell));
  const char* backend = std::getenv("OPENINFER_BACKEND");
  check_cells(cells, backend ? backend_from_name(backend) : Backend::cpu);
}

TEST_CASE("the table of cells", "[.table]") {
  for (const Cell& cell : all_cells()) {
    const Refusal* row = refusal_of(cell);
    std::cout << cell.name()
              << (row          ? ": refused, " + std::string(row->message)
                  : cell.quick ? ": unit"
                               : ": all")
              << "\n";
  }
}
