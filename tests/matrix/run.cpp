// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "codegen/kernels/block_code.h"
#include "lib/ops/convert.h"
#include "openinfer/error.h"
#include "tests/kernels/stored.h"
#include "tests/matrix/stored_formats.h"
#include "tests/sim/test_package.h"

namespace openinfer::matrix {
namespace {

using testing::Rule;
using Cells = std::vector<const Cell*>;

/// A compilation has a price of its own, and a plan with many buffers too.
constexpr std::size_t kCellsOfGraph = 60;

std::vector<std::byte> bytes_of(const StoredTensor& w, std::uint32_t seed) {
  Extents stored = w.shape;
  if (w.transposed) std::swap(stored[stored.size() - 1], stored[stored.size() - 2]);
  const std::int64_t count = element_count(stored);
  if (contains(kPlain, w.dtype)) {
    Tensor t(w.dtype, stored);
    w.fill(t, seed);
    return {t.bytes().begin(), t.bytes().end()};
  }
  if (w.every_code) {
    std::vector<std::byte> codes(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::byte>(i);
    return codes;
  }
  if (kernels::has_block_code(w.dtype) || kernels::packed_code(w.dtype))
    return kernels::Stored(w.dtype, count / stored.back(), stored.back(), seed).data.bytes();
  return std::vector<std::byte>(static_cast<std::size_t>(size_bytes(w.dtype, count)));
}

void add_weights(opnf::Writer& writer, const Cells& cells) {
  writer.meta("cells", static_cast<std::int64_t>(cells.size()));
  for (std::size_t i = 0; i < cells.size(); ++i)
    for (std::size_t k = 0; k < cells[i]->weights.size(); ++k) {
      const StoredTensor& w = cells[i]->weights[k];
      opnf::TensorSpec spec;
      spec.key = CellGraph::weight_key(i, k);
      spec.dtype = std::string(name(w.dtype));
      spec.shape.assign(w.shape.begin(), w.shape.end());
      spec.transposed = w.transposed;
      if (w.affine.scale >= 0) {
        const auto key = [&](int weight) {
          return weight < 0 ? std::string() : CellGraph::weight_key(i, static_cast<std::size_t>(weight));
        };
        const bool of_all = cells[i]->weights[static_cast<std::size_t>(w.affine.scale)].shape.empty();
        const auto granularity = of_all               ? opnf::Granularity::tensor
                                 : w.affine.group > 0 ? opnf::Granularity::group
                                                      : opnf::Granularity::channel;
        spec.quantisation = {key(w.affine.scale), key(w.affine.zero), granularity,
                             static_cast<std::uint8_t>(w.affine.axis), static_cast<std::uint64_t>(w.affine.group)};
      }
      writer.tensor(std::move(spec), bytes_of(w, seed_of(cells[i]->name()) + static_cast<std::uint32_t>(k)));
    }
}

/// One graph of several cells.
struct Whole {
  Graph graph;
  std::vector<std::vector<CellGraph::Input>> inputs;  // by cell
  std::vector<std::vector<CellGraph::Output>> outputs;

  Whole(const Cells& cells, const Model& model, const Promise& promise, bool reference) {
    GraphBuilder b(model);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      CellGraph c(b, model, *cells[i], i, promise, reference);
      cells[i]->build(c);
      inputs.push_back(c.inputs());
      outputs.push_back(c.outputs());
    }
    graph = b.build();
  }
};

Inputs inputs_of(const Whole& whole, const Cells& cells, std::int64_t rows, bool denormals) {
  Inputs all;
  for (std::size_t i = 0; i < cells.size(); ++i)
    for (const CellGraph::Input& input : whole.inputs[i]) {
      Extents shape;
      for (const Dim& d : input.type.shape)
        shape.push_back(*d.value([&](std::string_view) { return std::optional(rows); }));
      Tensor t(input.type.dtype, shape);
      input.fill(t, seed_of(cells[i]->name() + input.name.substr(0, input.name.find('_'))));
      if (!denormals) flush_denormals(t);
      all.emplace_back(input.name, std::move(t));
    }
  return all;
}

std::string element(const Tensor& t, std::int64_t i) {
  const auto size = static_cast<std::size_t>(info(t.dtype()).block_bytes);
  const std::byte* at = t.bytes().data() + static_cast<std::size_t>(i) * size;
  double value = 0;
  convert_elements(t.dtype(), at, f64, reinterpret_cast<std::byte*>(&value), 1);
  std::string bits;
  for (std::size_t byte = size; byte-- > 0;) bits += fmt::format("{:02x}", std::to_integer<int>(at[byte]));
  return fmt::format("{} ({})", value, bits);
}

Rule on(Rule rule, const Promise& promise) {
  if (promise.denormals) return rule;
  if (rule.kind == Rule::Kind::exact) rule = {.kind = Rule::Kind::ulp, .n = 0};
  rule.floor = std::max(rule.floor, 0x1p-126);
  return rule;
}

std::string text_of(const Rule& rule) {
  switch (rule.kind) {
    case Rule::Kind::exact: return "the same bits";
    case Rule::Kind::ulp: return fmt::format("{} ULP or {}", rule.n, rule.floor);
    case Rule::Kind::sum: return fmt::format("{} eps of the scale", rule.n);
  }
  return {};
}

/// "" if `got` is within the rule.
std::string difference(const std::string& output, const Outputs& got, const Outputs& want, const Rule& rule) {
  const Tensor &g = got[output], &w = want[output];
  if (g.dtype() != w.dtype() || g.shape() != w.shape())
    return fmt::format("{}{} instead of {}{}", name(g.dtype()), to_string(g.shape()), name(w.dtype()),
                       to_string(w.shape()));
  const Tensor scale = rule.kind == Rule::Kind::sum ? want[output + "_scale"] : Tensor();
  const std::int64_t i = testing::first_difference(g, w, scale, rule);
  if (i < 0) return {};
  std::string at =
      rule.kind == Rule::Kind::sum ? fmt::format(", scale {}", scale.data<double>()[static_cast<std::size_t>(i)]) : "";
  return fmt::format("element {} of {}: {} instead of {}; {}{}", i, to_string(w.shape()), element(g, i), element(w, i),
                     text_of(rule), at);
}

/// Names of what is asked of the reference: a cell whose operator has no meaning yet is left out.
std::vector<std::string> wanted(const Whole& whole, const Cells& cells) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < cells.size(); ++i)
    for (const CellGraph::Output& o : whole.outputs[i]) {
      names.push_back(o.name);
      if (o.rule.kind == Rule::Kind::sum) names.push_back(o.name + "_scale");
    }
  return names;
}

/// Of cells with one `least`.
void run_steps(const Cells& cells, const Runner& runner, std::vector<std::string>& failures) {
  sim_test::TestPackage package("matrix");
  add_weights(package.writer(), cells);
  const Model model = package.open();
  const Whole whole(cells, model, runner.promise, false), reference(cells, model, runner.promise, true);
  const std::unique_ptr<Program> program = runner.make(model, whole.graph);
  SimSession session(model, reference.graph, {.threads = 1});
  std::vector<bool> failed(cells.size());
  for (const std::int64_t rows : kRows) {
    if (rows < cells[0]->least) continue;  // as compiled code: none of these cells is defined there
    const Inputs inputs = inputs_of(whole, cells, rows, runner.promise.denormals);
    const Outputs want = session.run_step(inputs, wanted(whole, cells));
    const Outputs got = program->step(inputs);
    for (std::size_t i = 0; i < cells.size(); ++i)
      for (std::size_t k = 0; k < whole.outputs[i].size() && !failed[i]; ++k) {
        const CellGraph::Output& o = whole.outputs[i][k];
        const std::string what = difference(o.name, got, want, on(o.rule, runner.promise));
        if (what.empty()) continue;
        failed[i] = true;
        failures.push_back(
            fmt::format("{} on {}: output {} at N = {}: {}", cells[i]->name(), runner.name, k, rows, what));
      }
  }
}

void run_cells(const Cells& cells, const Runner& runner, std::vector<std::string>& failures) {
  const std::size_t before = failures.size();
  try {
    return run_steps(cells, runner, failures);
  } catch (const std::exception& e) {
    if (cells.size() == 1) {
      failures.push_back(fmt::format("{} on {}: {}", cells[0]->name(), runner.name, e.what()));
      return;
    }
  }
  failures.resize(before);
  const auto half = cells.begin() + static_cast<std::ptrdiff_t>(cells.size() / 2);
  run_cells({cells.begin(), half}, runner, failures);
  run_cells({half, cells.end()}, runner, failures);
}

}  // namespace

std::vector<std::string> failures_of(const std::vector<Cell>& cells, const Runner& runner) {
  std::vector<std::string> failures;
  std::map<std::int64_t, Cells> by_least;
  for (const Cell& cell : cells) by_least[cell.least].push_back(&cell);
  for (const auto& [least, all] : by_least)
    for (std::size_t first = 0; first < all.size(); first += kCellsOfGraph) {
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(first);
      const std::size_t count = std::min(kCellsOfGraph, all.size() - first);
      run_cells({from, from + static_cast<std::ptrdiff_t>(count)}, runner, failures);
    }
  return failures;
}

bool accepts(const std::vector<const Cell*>& cells, const Runner& runner) {
  sim_test::TestPackage package("matrix");
  add_weights(package.writer(), cells);
  const Model model = package.open();
  const Whole whole(cells, model, runner.promise, false);
  try {
    static_cast<void>(runner.make(model, whole.graph));
    return true;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::unsupported) throw;
    return false;
  }
}

std::string refusal(const Cell& cell, const Runner& runner, std::string& why) {
  try {
    sim_test::TestPackage package("matrix");
    add_weights(package.writer(), {&cell});
    const Model model = package.open();
    const Whole whole({&cell}, model, runner.promise, false);
    static_cast<void>(runner.make(model, whole.graph));
    why = "it runs";
  } catch (const Error& e) {
    if (e.code() == ErrorCode::unsupported && !e.where().empty()) return e.what();
    why = fmt::format("{} ({}{})", e.what(), openinfer::name(e.code()), e.where().empty() ? ", without a line" : "");
  }
  return {};
}

}  // namespace openinfer::matrix
