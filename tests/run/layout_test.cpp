// SPDX-License-Identifier: Apache-2.0
// Compiled sessions over packages in rows and in panels: what kernels do not find as they read it is laid out anew.
#include <openinfer/openinfer.h>

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "codegen/plan/lower.h"
#include "codegen/run/compiled_graph.h"
#include "codegen/run/placed_weights.h"
#include "codegen/run/vulkan_kernel.h"
#include "tests/distance.h"
#include "tests/run/vulkan_there.h"
#include "tests/sim/layout_model.h"

using namespace openinfer;

namespace {

struct Packages {
  explicit Packages(const std::string& name) : rows(name + "_rows"), panels(name + "_panels") {
    sim_test::fill_layout_model(rows.writer());
    in_rows.emplace(rows.open());
    const auto reader = opnf::Reader::open(rows.path().string());
    panels.writer().copy(reader, opnf::Layout::panel16);
    in_panels.emplace(panels.open());
  }
  sim_test::TestPackage rows, panels;
  std::optional<Model> in_rows, in_panels;
};

Tensor tokens(std::int64_t count) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(i * 11 % 48));
  return Tensor(ids, {count});
}

constexpr std::array kOutputs = {"logits", "a", "b", "c", "d"};

/// As tests/plan/layout_test.cpp: five products one behind the other.
void check_close(const Tensor& got, const Tensor& want) { CHECK(testing::distance(got, want) <= 4e-5); }

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.bytes().size() == b.bytes().size() && std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}

}  // namespace

TEST_CASE("a package in panels runs compiled, with the bits of one in rows") {
  Packages packages("run_layouts");
  std::vector<Backend> backends = {Backend::cpu};
  if (run_test::has_vulkan()) backends.push_back(Backend::vulkan);
  for (const Backend backend : backends) {
    CAPTURE(name(backend));
    const SimOptions options = {.threads = 2};
    const Graph g = sim_test::layout_graph(*packages.in_rows), h = sim_test::layout_graph(*packages.in_panels);
    SimSession sim(*packages.in_rows, g, options), rows(*packages.in_rows, g, backend, options),
        panels(*packages.in_panels, h, backend, options);
    for (const std::int64_t n : {1, 19}) {
      const Outputs want = sim.run_step({{"tok", tokens(n)}}), a = rows.run_step({{"tok", tokens(n)}}),
                    b = panels.run_step({{"tok", tokens(n)}});
      for (const char* name : kOutputs) {
        INFO(name << ", " << n << " tokens");
        check_close(a[name], want[name]);
        CHECK(same_bytes(a[name], b[name]));
      }
    }
  }
}

TEST_CASE("only what kernels do not find as they read it is laid out anew, and once") {
  Packages packages("run_repacked");
  const kir::Target cpu = {.lanes = 16, .panels = true}, gpu = {.lanes = 8, .subgroups = 4};
  ThreadPool pool(2);
  const auto repacked = [&](const Model& model, const kir::Target& target) {
    const plan::Plan p = run::make_plan(plan::over(sim_test::layout_graph(model), model), target);
    return run::PlacedWeights(p, model, pool).repacked_bytes();
  };
  // table and head are one tensor; A and cast are panels in the second package, and read in rows.
  std::int64_t products = 0, in_rows = 0;
  for (const char* key : {"table", "Wq.0", "Wq.1", "Wk.0", "Wk.1", "Wv.0", "Wv.1", "Wo.0", "Wo.1"})
    products += static_cast<std::int64_t>(packages.in_rows->tensor(key).size_bytes);
  for (const char* key : {"A", "cast"}) in_rows += static_cast<std::int64_t>(packages.in_rows->tensor(key).size_bytes);
  CHECK(repacked(*packages.in_rows, cpu) == products);
  CHECK(repacked(*packages.in_panels, cpu) == in_rows);
  CHECK(repacked(*packages.in_rows, gpu) == 0);
  CHECK(repacked(*packages.in_panels, gpu) == products + in_rows);
}

TEST_CASE("a file that was cut is an error while weights are laid out") {
  Packages packages("run_cut");
  const Model& model = *packages.in_rows;
  const plan::Plan p = run::make_plan(plan::over(sim_test::layout_graph(model), model), {.lanes = 16, .panels = true});
  ThreadPool pool(2);
  std::filesystem::resize_file(packages.rows.path(), std::filesystem::file_size(packages.rows.path()) / 2);
  CHECK_THROWS_AS(run::PlacedWeights(p, model, pool), Error);
}
