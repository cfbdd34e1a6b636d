// SPDX-License-Identifier: Apache-2.0
// Random graphs over all operators: their text, the passes, every kernel of their plans against the simulator, and
// compiled for this CPU. OPENINFER_SEED and OPENINFER_SECONDS serve scripts/fuzz.sh graphs.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "codegen/check/record.h"
#include "codegen/plan/graph_facts.h"
#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/run/compiled_graph.h"
#include "lib/base/temporary_folder.h"
#include "lib/graph/ir.h"
#include "lib/passes/pipeline.h"
#include "tests/random/any_graph.h"
#include "tests/random/checked_plan.h"
#include "tests/sanitizers.h"

using namespace openinfer;
using namespace openinfer::random_graphs;

namespace {

struct Counts {
  std::size_t graphs = 0, nodes = 0, refused = 0, left_out = 0, failed_steps = 0, values = 0;
  std::map<std::string, std::size_t> unbounded;  // by operator
};

struct Package {
  sim_test::TestPackage file{"random_graphs"};
  Model model = (add_weights(file), file.open());
};

/// A graph whose operators all have kernels: those without are left out when the compiler has named them. Nothing where
/// that does not help: what it names is another operator's part.
std::optional<Graph> graph_of(unsigned seed, const Model& model, Counts& counts) {
  std::set<std::string, std::less<>> avoided;
  for (;;) {
    Graph g = AnyGraph(seed, model, avoided).make();
    try {
      plan::lower(run_passes(g, compilation_passes()).graph, {.name = "test", .target = {.lanes = 8}});
      return g;
    } catch (const Error& error) {
      const std::string message = error.message();
      const auto end = message.find(']');
      if (error.code() != ErrorCode::unsupported || message[0] != '[' || end == std::string::npos) throw;
      ++counts.refused;
      if (!avoided.insert(message.substr(1, end - 1)).second) return std::nullopt;
    }
  }
}

Inputs inputs_of(unsigned seed, std::int64_t rows, std::int64_t step) {
  std::mt19937 random(seed * 31 + static_cast<unsigned>(step));
  const auto fill = [&]<class T>(T, Extents shape, auto value) {
    Tensor t(dtype_of<T>(), shape);
    std::int64_t i = 0;
    for (T& x : t.mutable_data<T>()) x = static_cast<T>(value(i++));
    return t;
  };
  const auto noise = [&](std::int64_t) { return static_cast<float>(static_cast<int>(random() % 4001) - 2000) / 1000; };
  const auto whole = [&](std::int64_t) { return static_cast<std::int64_t>(random()) - (std::int64_t{1} << 31); };
  const auto below = [&](std::int64_t count) { return [&random, count](std::int64_t) { return random() % count; }; };
  return {
      {"flag", Tensor::scalar(random() % 2 == 0)},
      {"ids", fill(std::int32_t{}, {rows}, below(kTableRows))},
      {"pos", fill(std::int32_t{}, {rows}, [&](std::int64_t n) { return (step * rows / 2 + n / 2) % kLeastContext; })},
      {"slot", fill(std::int32_t{}, {rows}, [](std::int64_t n) { return n % kSlots; })},
      {"x", fill(float{}, {rows, 4}, noise)},
      {"h", fill(Half{}, {rows, 4}, noise)},
      {"u", fill(std::uint8_t{}, {rows, 4}, whole)},
      {"i", fill(std::int32_t{}, {rows}, whole)},
      {"d", fill(double{}, {4}, noise)},
      {"k", fill(std::int64_t{}, {2, 1, 4}, whole)},
      {"y", fill(float{}, {rows, 32}, noise)},
      {"z", fill(float{}, {rows, 32}, noise)}};
}

constexpr std::int64_t kSteps[] = {3, 1, 8, 3};  // rows

/// What the simulator gives in each step, or says instead (an index out of range).
struct Results {
  std::vector<std::map<std::string, Tensor, std::less<>>> outputs;
  std::string error;
};
Results simulate(const Model& model, const Graph& g, unsigned seed) {
  SimSession session(model, g, {.threads = 1, .dims = {{"ctx", kLeastContext}}});
  Results results;
  try {
    for (std::size_t s = 0; s < std::size(kSteps); ++s)
      results.outputs.push_back(session.run_step(inputs_of(seed, kSteps[s], static_cast<std::int64_t>(s))).all());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) throw;
    results.error = error.message();
  }
  return results;
}

std::string difference_of(const Results& a, const Results& b) {
  if (a.error != b.error) return fmt::format("\"{}\" instead of \"{}\"", a.error, b.error);
  for (std::size_t s = 0; s < b.outputs.size(); ++s)
    for (const auto& [name, want] : b.outputs[s])
      if (const auto what = difference(a.outputs[s].at(name), want); !what.empty())
        return fmt::format("step {}, {}: {}", s, name, what);
  return {};
}

const kir::Target kTargets[] = {
    {.lanes = 8}, {.lanes = 1}, {.lanes = 16, .panels = true, .core_cache = true}, {.lanes = 4, .subgroups = 2}};

/// Every dispatch of a plan against the simulator, by recorded bounds; outputs then have the simulator's bits.
void check_plan(const Model& model, const Graph& g, unsigned seed, Counts& counts) {
  PassOptions options;
  if (seed % 5 == 4) options.no_fuse = {"all"};
  const Graph compiled = run_passes(g, compilation_passes(), options).graph;
  INFO("compiled: " << to_text(compiled));
  plan::PlanOptions how = {.name = "test", .target = kTargets[seed % std::size(kTargets)], .taps = true};
  if (seed % 3 == 0) how.entries = {{.name = "decode", .dims = {{"N", {1, 1}}}}, {.name = "prefill"}};
  plan::Plan p = plan::lower(compiled, how);
  plan::run_passes(p);
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "data.oinf").string();
  std::ofstream(path, std::ios::binary) << check::record(compiled, p, plan::graph_facts(compiled), "random", ".cpp");
  const opnf::Reader data = opnf::Reader::open(path);
  CheckedPlan replayed(p, model, data);
  SimSession session(model, g, {.threads = 1, .dims = CheckedPlan::sizes(data)});
  for (std::size_t s = 0; s < replayed.steps(); ++s) {
    Inputs inputs;
    for (auto& [name, tensor] : replayed.inputs(s)) inputs.emplace_back(name, tensor);
    const Outputs want = session.run_step(inputs);
    for (const auto& [name, found] : replayed.replay(s))
      if (const auto what = difference(found, want[name]); !what.empty() && replayed.failures().empty())
        FAIL_CHECK("step " << s << ", output " << name << ": " << what);
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(5, replayed.failures().size()); ++i)
    FAIL_CHECK(replayed.failures()[i]);
  counts.values += replayed.compared();
  for (const auto& [op, count] : replayed.unbounded()) counts.unbounded[op] += count;
}

/// Compiled for this CPU: the bits of the interpreter on the same plan.
void check_cpu(const Model& model, const Graph& g, unsigned seed) {
  run::CompiledGraph compiled(model, g, Backend::cpu, {.threads = 2, .dims = {{"ctx", kLeastContext}}});
  plan_test::InterpretedPlan interpreted(compiled.plan(), &model, {{"ctx", kLeastContext}});
  for (std::size_t s = 0; s < std::size(kSteps); ++s) {
    const Inputs inputs = inputs_of(seed, kSteps[s], static_cast<std::int64_t>(s));
    std::map<std::string, Tensor> given;
    for (const auto& [name, value] : inputs) given.emplace(name, *value.tensor());
    const Outputs found = compiled.step(inputs);
    for (const auto& [name, want] : interpreted.run("step", given))
      if (const auto what = difference(found[name], want); !what.empty())
        FAIL_CHECK("on this CPU, step " << s << ", output " << name << ": " << what);
  }
}

void check_seed(const Model& model, unsigned seed, bool on_cpu, Counts& counts) {
  INFO("seed " << seed);
  try {
    const std::optional<Graph> made = graph_of(seed, model, counts);
    ++(made ? counts.graphs : counts.left_out);
    if (!made) return;
    const Graph& g = *made;
    const std::string text = to_text(g);
    INFO(text);
    const Graph parsed = parse_graph(text);
    REQUIRE(to_text(parsed) == text);
    const Results want = simulate(model, g, seed);
    counts.failed_steps += !want.error.empty();
    CHECK(difference_of(simulate(model, parsed, seed), want) == "");
    const Graph passed = run_passes(g, compilation_passes()).graph;
    CHECK(difference_of(simulate(model, passed, seed), want) == "");
    check_plan(model, g, seed, counts);
    if (on_cpu) check_cpu(model, g, seed);
    counts.nodes += g.data().nodes.size();
  } catch (const std::exception& error) {
    FAIL_CHECK("seed " << seed << ": " << error.what());
  }
}

std::size_t without_bound(const Counts& c) {
  std::size_t all = 0;
  for (const auto& [op, count] : c.unbounded) all += count;
  return all;
}

void report(const Counts& c) {
  std::printf(
      "%zu graphs of %zu nodes; %zu values held to their bounds, %zu of them without one; %zu times a graph was "
      "made again without an operator that has no kernel, %zu were left out; the simulator refused a step of %zu\n",
      c.graphs, c.nodes, c.values, without_bound(c), c.refused, c.left_out, c.failed_steps);
  for (const auto& [op, count] : c.unbounded) std::printf("without a bound: %zu of %s\n", count, op.c_str());
}

long number(const char* name, long otherwise) {
  const char* given = std::getenv(name);
  return given ? std::atol(given) : otherwise;
}

}  // namespace

TEST_CASE("random graphs over all operators: text, passes, kernels within bounds") {
  const Package package;
  Counts counts;
  constexpr unsigned kSeeds = 60 / kFewer;
  for (unsigned seed = 0; seed < kSeeds; ++seed) check_seed(package.model, seed, false, counts);
  CHECK(counts.graphs > kSeeds * 5 / 6);
  CHECK(counts.nodes > kSeeds * 30);
  CHECK(without_bound(counts) < counts.values / 20);  // bounds that hold nothing would say nothing
  CHECK(counts.failed_steps < 6);
}

TEST_CASE("random graphs over all operators have the interpreter's bits on a CPU", "[.cpu]") {
  const Package package;
  Counts counts;
  for (unsigned seed = 100; seed < 104; ++seed) check_seed(package.model, seed, true, counts);
}

/// scripts/fuzz.sh graphs SECONDS: from a seed on, until the time is over; one in a hundred is compiled for this CPU.
TEST_CASE("random graphs until the time is over", "[.fuzz]") {
  const Package package;
  Counts counts;
  const auto first = static_cast<unsigned>(number("OPENINFER_SEED", std::time(nullptr) % 1000000 * 1000));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(number("OPENINFER_SECONDS", 60));
  unsigned seed = first;
  for (; std::chrono::steady_clock::now() < end; ++seed) check_seed(package.model, seed, seed % 100 == 0, counts);
  std::printf("seeds %u to %u: ", first, seed);
  report(counts);
}
