// SPDX-License-Identifier: Apache-2.0
// Which row of the device database a session on a GPU is planned by, and kernels for devices that have less.
#include <openinfer/evaluator.h>
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <sstream>

#include "codegen/emit/target.h"
#include "codegen/run/compiled_graph.h"
#include "codegen/run/vulkan_executor.h"
#include "codegen/run/vulkan_kernel.h"
#include "tests/distance.h"
#include "tests/run/vulkan_there.h"
#include "tests/sim/small_llama.h"

using namespace openinfer;

namespace {

struct RowLlama {
  explicit RowLlama(const std::string& name) : package(name) {}
  sim_test::TestPackage package;
  Model model = (sim_test::fill_small_llama(package), package.open());
  Graph graph = models::llama(model);
};

/// The lines that say how a plan's kernels were chosen, and how they are built.
std::vector<std::string> variants_of(const std::string& plan) {
  std::vector<std::string> lines;
  std::istringstream text(plan);
  for (std::string line; std::getline(text, line);)
    if (line.find(" why: ") != line.npos || line.find(" lanes, ") != line.npos) lines.push_back(line);
  return lines;
}

/// With nothing that Vulkan does not demand.
Device bare_device() {
  Device device = run::VulkanDevice({}).describe();
  device.subgroup_ops = {SubgroupOp::basic};
  device.storage_8bit = device.storage_16bit = device.int8_arithmetic = device.f16_arithmetic = false;
  device.buffer_device_address = false;
  device.dot4 = Dot4::none;
  return device;
}

}  // namespace

TEST_CASE("on a GPU of the database a session plans as an emitted program for it", "[long]") {
  if (!run_test::has_vulkan()) return;
  RowLlama llama("run_row");
  const std::map<std::string, std::int64_t> sizes = {{"ctx", 24}};
  for (const Numerics numerics : {Numerics::strict, Numerics::fast}) {
    const SimSession session(llama.model, llama.graph, Backend::vulkan, {.dims = sizes, .numerics = numerics});
    if (session.device() != "lavapipe") WARN("skipped: this is not lavapipe but " << session.device());
    if (session.device() != "lavapipe") return;
    const Evaluator emitted =
        Evaluator(DeviceSpec::named("lavapipe")).from_graph(llama.model, llama.graph, {.numerics = numerics});
    CHECK(variants_of(session.plan()).size() > 10);
    CHECK(variants_of(session.plan()) == variants_of(emitted.plan()));
    CHECK_THAT(session.plan(), Catch::Contains("by the row lavapipe of the device database"));
  }
  const SimSession cpu(llama.model, llama.graph, Backend::cpu), sim(llama.model, llama.graph);
  CHECK(cpu.device() == "this-cpu");
  CHECK((sim.device().empty() && sim.plan().empty() && sim.remarks().empty()));
}

TEST_CASE("a session says where numerics change nothing") {
  if (!run_test::has_vulkan()) return;
  RowLlama llama("run_remarks");
  const SimSession strict(llama.model, llama.graph, Backend::vulkan),
      bf16(llama.model, llama.graph, Backend::vulkan, {.numerics = Numerics::bf16});
  CHECK(strict.remarks().empty());
  REQUIRE(bf16.remarks().size() == 1);
  CHECK_THAT(bf16.remarks()[0], Catch::StartsWith("numerics bf16 compute as strict: "));
  CHECK_THAT(bf16.plan(), Catch::Contains("note: " + bf16.remarks()[0]));
}

TEST_CASE("a device without narrow storage and operations between lanes has other kernels, as right") {
  if (!run_test::has_vulkan()) return;
  RowLlama any("run_bare");
  const Device device = bare_device();
  const Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {5, 7});
    b.output("half", cast(cast(x * 3.f, f16), f32));
    b.output("brain", cast(cast(x * 3.f, bf16), f32));
    b.output("byte", cast(cast(x * 16.f, i8), f32));
    b.output("short", cast(cast(x * 300.f + 40.f, u16), f32));
    b.output("stored_half", cast(x * 3.f, f16));
    b.output("stored_byte", cast(x * 16.f, i8));
    b.output("sum", sum(x, Over{.axes = {1}}));
  });
  const plan::Plan plan = run::make_plan(g, emit::target_of(device));
  run::VulkanExecutor executor(plan, std::nullopt, device, {.validate = true});
  Tensor x(f32, {5, 7});
  for (int i = 0; i < 35; ++i) x.mutable_data<float>()[static_cast<std::size_t>(i)] = static_cast<float>(i % 7) / 8.f;
  const run::Tensors got = executor.step({{"x", x}});
  const Outputs want = SimSession(any.model, g).run_step({{"x", x}});
  for (const auto& [name, tensor] : want.all()) {
    CAPTURE(name);
    CHECK(got.at(name) == tensor);  // numbers that every dtype here holds: the same bits
  }
}

TEST_CASE("what a device's row lacks is refused before a driver would") {
  if (!run_test::has_vulkan()) return;
  const Graph g = graph([](GraphBuilder& b) { b.output("y", sum(b.input("x", f32, {4, 64}), Over{.axes = {1}})); });
  Device device = run::VulkanDevice({}).describe();
  const plan::Plan plan = run::make_plan(g, emit::target_of(device));
  device.subgroup_ops = {SubgroupOp::basic};
  CHECK_THROWS_WITH(run::VulkanExecutor(plan, std::nullopt, device, {}),
                    Catch::Contains("kernels need subgroupArithmetic, which this-gpu lacks"));
  device.subgroup_size_control = false;
  device.subgroup_size_max *= 2;
  CHECK_THROWS_WITH(run::VulkanExecutor(plan, std::nullopt, device, {}), Catch::Contains("by itself"));
}
