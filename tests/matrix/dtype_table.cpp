// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/dtype_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <vector>

#include "codegen/devices/devices.h"
#include "codegen/emit/cpp.h"
#include "codegen/emit/cuda.h"
#include "codegen/emit/glsl.h"
#include "codegen/emit/target.h"
#include "codegen/plan/lower.h"
#include "codegen/run/compiled_graph.h"
#include "tests/matrix/operators.h"
#include "tests/matrix/run.h"
#include "tests/matrix/stored_formats.h"

namespace openinfer::matrix {
namespace {

/// A language, and the device that stands for it. Nothing is compiled: what renders, compiles (tests/emit).
struct Language {
  std::string name;
  Device device;
  std::string (*render)(const kir::Kernel& kernel);
};
std::vector<Language> languages() {
  return {{"C++", resolve(DeviceSpec::named("x86-64-v4")),
           [](const kir::Kernel& kernel) { return emit::render_cpp(kernel); }},
          {"GLSL", resolve(DeviceSpec::named("lavapipe").api("vulkan")), emit::render_glsl},
          {"CUDA", resolve(DeviceSpec::named("hopper").api("cuda")), emit::cuda_source}};
}
Runner runner_for(const Language& language) {
  return {.name = language.name, .promise = {}, .make = [language](const Model& model, const Graph& graph) {
            const plan::Plan plan = run::make_plan(plan::over(graph, model), emit::target_of(language.device), "table",
                                                   {}, Numerics::strict);
            for (const plan::Kernel& kernel : plan.kernels) static_cast<void>(language.render(kernel.code));
            return std::unique_ptr<Program>();
          }};
}

/// What stands in the table as one: an operator and a dtype, by its first cell.
struct Entry {
  std::string op;
  DType dtype;
  Cell cell;
};

/// The dtypes without arithmetic that the cell is about: "f32 x q4_k", "f32 -> f8e4m3".
std::vector<DType> stored_in(const Cell& cell) {
  const std::vector<DType> formats = stored_formats();
  std::vector<DType> found;
  for (std::size_t at = 0; at < cell.dtype.size();) {
    const std::size_t end = std::min(cell.dtype.find(' ', at), cell.dtype.size());
    const auto dtype = dtype_from_name(std::string_view(cell.dtype).substr(at, end - at));
    if (dtype && std::find(formats.begin(), formats.end(), *dtype) != formats.end()) found.push_back(*dtype);
    at = end + 1;
  }
  return found;
}
/// Stored formats that a conversion ends in stand in a row of their own.
std::string row_of(const Cell& cell, std::optional<DType> stored) {
  const std::size_t arrow = cell.dtype.find(" -> ");
  const bool to = stored && arrow != cell.dtype.npos && cell.dtype.substr(arrow + 4) == name(*stored);
  return to ? cell.op + " to" : cell.op;
}

std::vector<Entry> entries() {
  std::vector<Entry> all;
  std::set<std::pair<std::string, DType>> known;
  const auto add = [&](const std::string& row, DType dtype, const Cell& cell) {
    if (known.emplace(row, dtype).second) all.push_back({row, dtype, cell});
  };
  for (const Operator& op : operators())
    for (const DType t : plain_dtypes()) {
      if (!contains(op.takes, t)) continue;
      std::vector<Cell> cells;
      op.cells(op, t, cells);
      add(cells.front().op, t, cells.front());
      for (const Cell& cell : cells)
        for (const DType stored : stored_in(cell)) add(row_of(cell, stored), stored, cell);
    }
  return all;
}

/// The cells that the runner refuses, by trying many at once and halving where that fails.
void refused(const std::vector<const Cell*>& cells, const Runner& runner, std::set<const Cell*>& to) {
  constexpr std::size_t kAtOnce = 40;
  if (cells.empty() || (cells.size() <= kAtOnce && accepts(cells, runner))) return;
  if (cells.size() == 1) {
    to.insert(cells.front());
    return;
  }
  const auto half = cells.begin() + static_cast<std::ptrdiff_t>(cells.size() / 2);
  refused({cells.begin(), half}, runner, to);
  refused({half, cells.end()}, runner, to);
}

// --- words for sets of dtypes ---

struct Word {
  std::string_view text, meaning;
  std::vector<DType> members;
};
std::vector<DType> formats_where(bool (*holds)(const DTypeInfo&)) {
  std::vector<DType> all;
  for (const DType d : stored_formats())
    if (holds(info(d))) all.push_back(d);
  return all;
}
std::string names_of(const std::vector<DType>& dtypes) {
  std::vector<std::string_view> names;
  for (const DType d : dtypes) names.push_back(name(d));
  return fmt::format("{}", fmt::join(names, " "));
}
std::vector<Word> words() {
  return {{"float", "f16 bf16 f32 f64", {f16, bf16, f32, f64}},
          {"int", "i8 i16 i32 i64", {i8, i16, i32, i64}},
          {"uint", "u8 u16 u32 u64", {u8, u16, u32, u64}},
          {"f8", "", formats_where([](const DTypeInfo& d) { return d.kind == DTypeKind::floating; })},
          {"packed", "", formats_where([](const DTypeInfo& d) {
             return d.kind == DTypeKind::signed_int || d.kind == DTypeKind::unsigned_int ||
                    d.kind == DTypeKind::ternary;
           })},
          {"blocks", "", formats_where([](const DTypeInfo& d) { return d.kind == DTypeKind::block; })}};
}

/// "float bool": sets that are whole by their word.
std::string words_for(std::set<DType> dtypes) {
  std::vector<std::string> all;
  for (const Word& word : words()) {
    const auto has = [&](DType d) { return dtypes.contains(d); };
    if (!std::all_of(word.members.begin(), word.members.end(), has)) continue;
    all.emplace_back(word.text);
    for (const DType d : word.members) dtypes.erase(d);
  }
  for (const DType d : dtypes) all.emplace_back(name(d));
  return fmt::format("{}", fmt::join(all, " "));
}

/// What a row says: the dtypes of the simulator, and those that each language lacks.
using Columns = std::vector<std::set<DType>>;

std::string line_of(const Columns& columns, const std::vector<std::string>& ops) {
  std::string line = fmt::format("| {} | {} |", fmt::join(ops, " "), words_for(columns[0]));
  for (std::size_t i = 1; i < columns.size(); ++i) {
    if (columns[i].empty())
      line += " all |";
    else if (columns[i] == columns[0])
      line += " none |";
    else
      line += fmt::format(" all but {} |", words_for(columns[i]));
  }
  return line;
}

}  // namespace

std::string dtype_table() {
  const std::vector<Entry> all = entries();
  std::vector<const Cell*> cells;
  for (const Entry& e : all) cells.push_back(&e.cell);
  std::map<std::string, Columns> rows;
  for (const Entry& e : all) {
    Columns& row = rows[e.op];
    row.resize(1 + languages().size());
    row[0].insert(e.dtype);
  }
  std::string header = "| operators | simulator |", rule = "|---|---|";
  std::size_t column = 0;
  for (const Language& language : languages()) {
    ++column;
    header += fmt::format(" {} |", language.name);
    rule += "---|";
    std::set<const Cell*> lacking;
    refused(cells, runner_for(language), lacking);
    for (const Entry& e : all)
      if (lacking.contains(&e.cell)) rows[e.op][column].insert(e.dtype);
  }
  std::map<Columns, std::vector<std::string>> same;
  for (const auto& [op, columns] : rows) same[columns].push_back(op);
  std::vector<std::string> lines;
  for (const auto& [columns, ops] : same) lines.push_back(line_of(columns, ops));
  std::sort(lines.begin(), lines.end());
  std::string legend;
  for (const Word& word : words())
    legend += fmt::format("{}**{}**: {}", legend.empty() ? "" : "; ", word.text, names_of(word.members));
  return fmt::format("{}.\n\n{}\n{}\n{}\n", legend, header, rule, fmt::join(lines, "\n"));
}

}  // namespace openinfer::matrix
