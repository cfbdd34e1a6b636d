// SPDX-License-Identifier: Apache-2.0
// Sessions that run compiled, on this CPU and on a Vulkan device, held to the simulator's.
#include <fmt/format.h>
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "codegen/emit/target.h"
#include "codegen/plan/lower.h"
#include "codegen/plan/print.h"
#include "codegen/run/compiled_graph.h"
#include "codegen/run/vulkan_executor.h"
#include "codegen/run/vulkan_kernel.h"
#include "tests/distance.h"
#include "tests/run/vulkan_there.h"
#include "tests/sanitizers.h"
#include "tests/sim/small_llama.h"

using namespace openinfer;

namespace {

Tensor ids(std::vector<std::int32_t> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return Tensor(values, {count});
}

struct Rows {
  std::vector<std::int32_t> tok, pos, slot, rows;
};

Tensor logits(SimSession& session, const Rows& r) {
  return session.run_step(
      {{"tok", ids(r.tok)}, {"pos", ids(r.pos)}, {"slot", ids(r.slot)}, {"rows", ids(r.rows)}})["logits"];
}

/// Sums in another order: bounds scale with the output. Two layers of width 32 and a head: 2e-5 of the largest logit,
/// as plans in the interpreter.
void check_close(const Tensor& got, const Tensor& want) { CHECK(testing::distance(got, want) <= 2e-5); }

const Rows kPrompt = {{3, 10, 17, 24, 31}, {0, 1, 2, 3, 4}, {0, 0, 0, 0, 0}, {1, 4}};
const Rows kNext = {{11}, {5}, {0}, {0}};
const Rows kMixed = {{7, 12, 9}, {0, 6, 1}, {1, 0, 1}, {0, 1, 2}};
const SimOptions kSizes = {.threads = 2, .dims = {{"slots", 2}, {"ctx", 24}}};

struct Llama {
  explicit Llama(const std::string& name) : package(name) {}
  sim_test::TestPackage package;
  Model model = (sim_test::fill_small_llama(package), package.open());
  Graph graph = models::llama(model);
};

/// What a step costs: a state, a loop with an odd number of turns, a branch, a copy of a size that the input says.
Graph several_kinds() {
  return graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 40);
    auto x = b.input("x", f32, {N, 3});
    auto more = b.input("more", boolean, {});
    auto sum = b.state("sum", tensor_state(f32, {3}));
    auto y = b.loop("l", 0, 3, x, [&](Index, Value h) { return h * 2.f + 1.f; });
    auto z = b.cond(
        more, [&] { return y + 10.f; }, [&] { return y - 10.f; });
    auto kept = state_read(sum) + max(z, Over{.axes = {0}});
    state_write(sum, kept);
    b.output("z", z);
    b.output("pair", concat({z, x}, 0));
    b.output("kept", kept);
  });
}

/// One state is used, one is not, and one gets its size from an input.
Graph states_of_all_kinds() {
  return graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 4);
    auto used = b.state("used", tensor_state(f32, {2}));
    b.state("unused", tensor_state(f32, {3}));
    b.state("cache", kv_cache({.layers = 1, .capacity = 5, .heads = 1, .head_dim = 4}));
    auto sized = b.state("sized", tensor_state(f32, {N}));
    auto x = b.input("x", f32, {N});
    auto sum = state_read(sized) + x;
    state_write(sized, sum);
    auto count = state_read(used) + 1.f;
    state_write(used, count);
    b.output("sum", sum);
    b.output("count", count);
  });
}

std::string types(const StateSnapshot& s) {
  std::string text;
  for (const auto& entry : s.states) {
    text += entry.name;
    for (const Tensor& t : entry.tensors) text += " " + std::string(name(t.dtype())) + to_string(t.shape());
    text += "; ";
  }
  return text;
}

/// What restoring throws; empty: nothing.
std::string said(SimSession& session, const StateSnapshot& snapshot) {
  try {
    session.restore(snapshot);
  } catch (const Error& error) {
    return fmt::format("{} {}", static_cast<int>(error.code()), error.message());
  }
  return "";
}

}  // namespace

TEST_CASE("a compiled llama session gives the simulator's logits, prompts of any length and single rows") {
  Llama llama("run_llama");
  for (const Backend backend : run_test::backends()) {
    CAPTURE(name(backend));
    SimSession sim(llama.model, llama.graph, kSizes), compiled(llama.model, llama.graph, backend, kSizes);
    for (const Rows& r : {kPrompt, kNext, kMixed, kNext, kPrompt}) check_close(logits(compiled, r), logits(sim, r));
    CHECK(compiled.stats().steps == 5);
  }
}

TEST_CASE("states of a compiled session are saved, restored, forked and zeroed") {
  Llama llama("run_states");
  for (const Backend backend : run_test::backends()) {
    CAPTURE(name(backend));
    SimSession session(llama.model, llama.graph, backend, kSizes);
    const Tensor first = logits(session, kPrompt);
    const StateSnapshot behind_prompt = session.save();
    REQUIRE(behind_prompt.states.size() == 1);
    CHECK(behind_prompt.states[0].name == "kv");
    REQUIRE(behind_prompt.states[0].tensors.size() == 2);
    const Tensor next = logits(session, kNext);
    SimSession fork = session.fork();
    session.restore(behind_prompt);
    CHECK(logits(session, kNext) == next);
    CHECK(logits(fork, kMixed) == logits(session, kMixed));
    // The simulator goes on from it as well.
    SimSession sim(llama.model, llama.graph, kSizes);
    sim.restore(behind_prompt);
    check_close(next, logits(sim, kNext));
    session.reset();
    CHECK(logits(session, kPrompt) == first);
    StateSnapshot other = behind_prompt;
    other.states[0].tensors[0] = Tensor(f32, {3});
    CHECK_THROWS_WITH(session.restore(other), Catch::Contains("kv"));
  }
}

TEST_CASE("snapshots are restored as the simulator restores them: states of no use or no size yet, errors too") {
  Llama llama("run_snapshots");  // any package
  const Graph g = states_of_all_kinds();
  const Inputs inputs = {{"x", Tensor(std::vector<float>{1, 2, 3, 4}, {4})}};
  for (const Backend backend : run_test::backends()) {
    CAPTURE(name(backend));
    SimSession sim(llama.model, g), compiled(llama.model, g, backend);
    const auto same = [&] {
      const StateSnapshot want = sim.save(), got = compiled.save();
      REQUIRE(types(got) == types(want));
      for (std::size_t s = 0; s < want.states.size(); ++s) CHECK(got.states[s].tensors == want.states[s].tensors);
    };
    const StateSnapshot before = sim.save();
    same();
    CHECK(types(before).ends_with("sized; "));
    sim.run_step(inputs), compiled.run_step(inputs);
    same();
    StateSnapshot behind = sim.save();
    for (const std::size_t s : {1, 2})
      for (Tensor& t : behind.states[s].tensors) t.mutable_data<float>()[1] = 7.f;
    SimSession fresh_sim(llama.model, g), fresh(llama.model, g, backend);
    CHECK(said(fresh, behind) == said(fresh_sim, behind));
    CHECK(said(fresh, behind).find("no size before the first step") != std::string::npos);
    CHECK(said(compiled, behind) == said(sim, behind));
    same();
    CHECK(compiled.save().states[1].tensors[0].data<float>()[1] == 7.f);
    SimSession fork = compiled.fork();
    CHECK(fork.save().states[2].tensors == behind.states[2].tensors);
    for (const auto& change : std::vector<std::function<void(StateSnapshot&)>>{
             [](StateSnapshot& s) { s.states.pop_back(); }, [](StateSnapshot& s) { s.states.push_back(s.states[0]); },
             [](StateSnapshot& s) { std::swap(s.states[0], s.states[1]); },
             [](StateSnapshot& s) { s.states[1].tensors[0] = Tensor(f32, {4}); },
             [](StateSnapshot& s) { s.states[0].tensors[0] = Tensor(i32, {2}); },
             [](StateSnapshot& s) { s.states[2].tensors.pop_back(); }}) {
      StateSnapshot other = behind;
      change(other);
      CHECK(said(compiled, other) == said(sim, other));
      CHECK_FALSE(said(compiled, other).empty());
      same();  // as before
    }
    CHECK(said(compiled, before) == said(sim, before));  // zeros where it has no contents
    same();
    sim.run_step(inputs), compiled.run_step(inputs);
    same();
    sim.reset(), compiled.reset();
    same();
  }
}

TEST_CASE("loops, branches, states and copies run compiled, with sizes that change from step to step") {
  Llama llama("run_kinds");  // any package
  const Graph g = several_kinds();
  for (const Backend backend : run_test::backends()) {
    CAPTURE(name(backend));
    SimSession sim(llama.model, g), compiled(llama.model, g, backend);
    for (const auto& [rows, more] : {std::pair{2, true}, {40, false}, {1, true}, {2, false}, {2, true}}) {
      Tensor x(f32, {rows, 3});
      for (int i = 0; i < rows * 3; ++i)
        x.mutable_data<float>()[static_cast<std::size_t>(i)] = static_cast<float>(i * 7 % 11) - 5;
      Tensor flag(boolean, {});
      flag.mutable_bytes()[0] = std::byte{more};
      const Outputs want = sim.run_step({{"x", x}, {"more", flag}}),
                    got = compiled.run_step({{"x", x}, {"more", flag}});
      for (const char* output : {"z", "pair", "kept"}) {
        CAPTURE(rows, more, output);
        REQUIRE(got[output].shape() == want[output].shape());
        const auto a = got[output].data<float>(), b = want[output].data<float>();
        CHECK(std::vector(a.begin(), a.end()) == std::vector(b.begin(), b.end()));  // sums of small integers
      }
    }
    CHECK(compiled.run_step({{"x", Tensor(f32, {1, 3})}, {"more", Tensor(boolean, {})}}, {"z"}).all().size() == 1);
  }
}

TEST_CASE("inputs of a compiled session are held to the graph's shapes, sums of dimensions too") {
  Llama llama("run_shapes");  // any package
  const Graph g = graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 9);
    b.output("z", b.input("x", f32, {N, 2}) * 2.f);
    b.output("w", b.input("y", f32, {N * 2 + 1, 2}) + 1.f);
  });
  for (const Backend backend : run_test::backends()) {
    CAPTURE(name(backend));
    SimSession sim(llama.model, g), compiled(llama.model, g, backend);
    using Catch::Contains;
    const auto step = [&](std::int64_t x, std::int64_t y) {
      return compiled.run_step({{"x", Tensor(f32, {x, 2})}, {"y", Tensor(f32, {y, 2})}});
    };
    CHECK(step(3, 7)["w"] == sim.run_step({{"x", Tensor(f32, {3, 2})}, {"y", Tensor(f32, {7, 2})}})["w"]);
    CHECK_THROWS_WITH(step(3, 8), Contains("y"));
    CHECK_THROWS_WITH(step(3, 9), Contains("N"));
    CHECK_THROWS_WITH(step(3, 20001), Contains("N"));
    CHECK_THROWS_WITH(
        compiled.run_step({{"x", Tensor(f32, {3, 2})}, {"x", Tensor(f32, {3, 2})}, {"y", Tensor(f32, {7, 2})}}),
        Contains("x"));
    // A list takes the input's shape, as in the simulator.
    const std::vector<float> list(14, 1.f);
    CHECK(compiled.run_step({{"x", Tensor(f32, {3, 2})}, {"y", list}})["w"].shape() == Extents{7, 2});
  }
}

TEST_CASE("weights that kernels would read wrongly are refused") {
  sim_test::TestPackage package("run_members");
  package.add<float>("W.0", {2, 2}, {1, 2, 3, 4}, false);
  package.add<float>("W.1", {2, 2}, {1, 2, 3, 4}, true);
  const Model model = package.open();
  const Graph g = graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {1, 2});
    b.output("y", b.loop("l", 0, 2, x, [&](Index l, Value h) { return matmul(h, model("W.{}", l)); }));
  });
  for (const Backend backend : run_test::backends())
    CHECK_THROWS_WITH(SimSession(model, g, backend), Catch::Contains("W.0 and W.1 are not stored alike"));
}

TEST_CASE("sizes that change are numbers that change: nothing is recorded again") {
  if (!run_test::has_vulkan()) return;
  const Graph g = graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 40);
    auto x = b.input("x", f32, {N, 3});
    auto y = b.loop("l", 0, 3, x, [&](Index, Value h) { return h * 2.f + 1.f; });
    b.output("z", b.cond(
                      b.input("more", boolean, {}), [&] { return y + 10.f; }, [&] { return y - 10.f; }));
  });
  const Device device = run::VulkanDevice({}).describe();
  const plan::Plan plan = run::make_plan(g, emit::target_of(device));
  run::VulkanExecutor executor(plan, std::nullopt, device, {.validate = true});
  for (const std::int64_t rows : {2, 40, 7})
    CHECK(executor.step({{"x", Tensor(f32, {rows, 3})}, {"more", Tensor(boolean, {})}}).at("z").shape() ==
          Extents{rows, 3});
  CHECK(executor.times_recorded() == 1);
}

TEST_CASE("a copy to a place that moves with the sizes is recorded again, for sizes that move it") {
  if (!run_test::has_vulkan()) return;
  const Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {b.dim("N", 2, 40), 3});
    b.output("y", x * 2.f);
  });
  const Device device = run::VulkanDevice({}).describe();
  plan::Plan plan = run::make_plan(g, emit::target_of(device));
  // Graphs write in dispatches, whose places are numbers of theirs; a plan may also copy: here x's second row from the
  // end over y's last one.
  const auto buffer = [&](std::string_view key) {
    const auto found =
        std::find_if(plan.buffers.begin(), plan.buffers.end(), [&](const plan::Buffer& b) { return b.key == key; });
    return static_cast<int>(found - plan.buffers.begin());
  };
  const Dim N = plan.buffers[static_cast<std::size_t>(buffer("x"))].shape[0];
  plan.entries[0].steps.emplace_back(
      plan::Copy{.from = {.buffer = buffer("x"), .offset = plan::Size(N + -2) * plan::Size(3)},
                 .to = {.buffer = buffer("y"), .offset = plan::Size(N + -1) * plan::Size(3)},
                 .elements = plan::Size(3)});
  run::VulkanExecutor executor(plan, std::nullopt, device, {.validate = true});
  int recorded = 1;  // when it is made, for the largest sizes
  std::int64_t before = 40;
  for (const std::int64_t rows : {2, 2, 40, 40, 7}) {
    std::vector<float> x;
    while (x.size() < static_cast<std::size_t>(3 * rows)) x.push_back(static_cast<float>(x.size()));
    std::vector<float> y = x;
    for (float& v : y) v *= 2;
    std::copy(x.end() - 6, x.end() - 3, y.end() - 3);
    const auto got = executor.step({{"x", Tensor(x, {rows, 3})}});
    CHECK(got.at("y") == Tensor(y, {rows, 3}));
    recorded += std::exchange(before, rows) != rows ? 1 : 0;
    CHECK(executor.times_recorded() == recorded);
  }
}

TEST_CASE("what a compiled session cannot do is said with the user's line") {
  Llama llama("run_errors");
  for (const Backend backend : run_test::backends()) {
    CAPTURE(name(backend));
    SimSession session(llama.model, llama.graph, backend, kSizes);
    using Catch::Contains;
    CHECK_THROWS_WITH(session.watch("logits", [](const Watched&) {}),
                      Contains("session_test.cpp") && Contains("simulator") && Contains(std::string(name(backend))));
    CHECK_THROWS_WITH(session.trace("t.json"), Contains("simulator"));
    for (const auto& looks : std::vector<std::function<void()>>{[&] { session.begin({}); }, [&] { session.next(); },
                                                                [&] { session.finish(); }}) {
      try {
        looks();
        FAIL("a compiled session let itself be looked into");
      } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::unsupported);
        CHECK_THAT(error.what(), Contains("session_test.cpp") && Contains("simulator"));
      }
    }
    CHECK_THROWS_WITH(logits(session, {{3}, {24}, {0}, {0}}), Contains("pos") && Contains("24"));
    CHECK_THROWS_WITH(logits(session, {{-1}, {0}, {0}, {0}}), Contains("tok") && Contains("-1"));
    CHECK_THROWS_WITH(session.run_step({{"tok", ids({1})}}), Contains("pos"));
    CHECK_THROWS_WITH(session.run_step({}, {"logit"}), Contains("logits"));
    CHECK_THROWS_WITH(SimSession(llama.model, llama.graph, backend, {.dims = {{"ctx", 1 << 30}}}), Contains("ctx"));
  }
  CHECK_THROWS_WITH(SimSession(llama.model, llama.graph, Backend::cuda),
                    Catch::Contains("nothing runs by the backend cuda") && Catch::Contains("emit"));
  if (!run_test::has_vulkan()) return;
  CHECK_THROWS_WITH(SimSession(llama.model, llama.graph, Backend::vulkan, {.gpu = "Voodoo"}),
                    Catch::Contains("Voodoo"));
}

/// The plan's text; steps of a graph that was made for `device`, held to the simulator.
std::string check_on(const Device& device, const Model& model, const Graph& g, const SimOptions& sizes,
                     const std::vector<Inputs>& steps) {
  const plan::Plan plan = run::make_plan(plan::over(g, model), emit::target_of(device), "model",
                                         run::Sizes(sizes.dims.begin(), sizes.dims.end()));
  run::VulkanExecutor executor(plan, model, device,
                               {.validate = true, .dims = run::Sizes(sizes.dims.begin(), sizes.dims.end())});
  SimSession sim(model, g, sizes);
  for (const Inputs& inputs : steps) {
    std::map<std::string, Tensor, std::less<>> tensors;
    for (const auto& [name, value] : inputs) tensors.emplace(name, *value.tensor());
    const run::Tensors got = executor.step(tensors);
    const Outputs wanted = sim.run_step(inputs);
    for (const auto& [name, want] : wanted.all()) {
      CAPTURE(name);
      check_close(got.at(name), want);
    }
  }
  return plan::to_text(plan);
}

Inputs inputs_of(const Rows& r) {
  return {{"tok", ids(r.tok)}, {"pos", ids(r.pos)}, {"slot", ids(r.slot)}, {"rows", ids(r.rows)}};
}

TEST_CASE("what is larger than the device binds is reached by its address, and the plan says so", "[long]") {
  if (!run_test::has_vulkan()) return;
  Llama llama("run_addresses");
  Device device = run::VulkanDevice({}).describe();
  if (!device.buffer_device_address) return;
  using Catch::Contains;
  CHECK_THAT(check_on(device, llama.model, llama.graph, kSizes, {inputs_of(kPrompt)}), !Contains("address"));
  device.max_storage_buffer_range_bytes = 1024;  // weights and caches are larger, some of a step's values are not
  const std::string plan = check_on(device, llama.model, llama.graph, kSizes,
                                    {inputs_of(kPrompt), inputs_of(kNext), inputs_of(kMixed), inputs_of(kNext)});
  CHECK_THAT(plan, Contains("table by its address: its 12800 bytes are more than the 1024 that the device binds"));
  CHECK_THAT(plan, Contains("lanes, 4 subgroups, table by its address"));
  device.buffer_device_address = false;
  CHECK_THROWS_WITH(check_on(device, llama.model, llama.graph, kSizes, {}),
                    Contains("bytes; this-gpu") && Contains("1024") && Contains("bufferDeviceAddress"));
}

TEST_CASE("a table of more bytes than any binding of this device has: look-ups and a product") {
  if (!run_test::has_vulkan()) return;
  const Device device = run::VulkanDevice({}).describe();
  const std::int64_t width = 1024, rows = device.max_storage_buffer_range_bytes / (2 * width) + 1000;
  if (!device.buffer_device_address || rows > 100'000) return;  // lavapipe: 128 MiB; others bind gigabytes
  if (kFewer > 1) return;                                       // the case above has the same code, and less to compute
  sim_test::TestPackage package("run_large");
  std::vector<std::uint16_t> table(static_cast<std::size_t>(rows * width));  // f16: 1 to 2, no two rows alike
  std::uint32_t state = 1;
  for (std::uint16_t& x : table)
    x = static_cast<std::uint16_t>(0x3c00 | ((state = state * 1664525 + 1013904223) >> 22));
  opnf::TensorSpec spec;
  spec.key = "table";
  spec.dtype = "f16";
  spec.shape = {static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(width)};
  package.writer().tensor(std::move(spec), std::as_bytes(std::span(table)));
  const Model model = package.open();
  const Graph g = graph(model, [&](GraphBuilder& b) {
    auto x = cast(gather(model["table"], b.input("ids", i32, {3})), f32);
    b.output("x", x);
    b.output("y", matmul(x, model["table"], {.transpose_w = true}));
  });
  const auto last = static_cast<std::int32_t>(rows - 1);
  const std::string plan = check_on(device, model, g, {}, {{{"ids", ids({last, 0, last - 999})}}});
  CHECK_THAT(plan, Catch::Contains(fmt::format("table by its address: its {} bytes are more than the {}",
                                               2 * rows * width, device.max_storage_buffer_range_bytes)));
}

/// The code of the Error that making an executor of that device gives.
template <class F>
ErrorCode code_of(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

TEST_CASE("what a Vulkan device does not do is said with a code that tells why") {
  if (!run_test::has_vulkan()) return;
  const Graph g = graph([](GraphBuilder& b) { b.output("y", b.input("x", f32, {1 << 20}) * 2.f); });
  const Device device = run::VulkanDevice({}).describe();
  const auto make = [&](const Device& on, const run::GpuOptions& options) {
    const plan::Plan plan = run::make_plan(g, emit::target_of(on));
    const run::VulkanExecutor executor(plan, std::nullopt, on, options);
  };
  CHECK_NOTHROW(make(device, {}));
  CHECK(code_of([&] { make(device, {.device = "Voodoo"}); }) == ErrorCode::unsupported);
  Device wide = device;
  wide.lanes = 2 * device.subgroup_size_max;
  CHECK(code_of([&] { make(wide, {}); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { make(device, {.memory_limit_bytes = 4 << 20}); }) == ErrorCode::out_of_memory);
}

TEST_CASE("a device with too little memory is refused before any of it is taken, with both figures") {
  if (!run_test::has_vulkan()) return;
  // Lavapipe has 2 GiB, and no device of a developer or of CI has 64; nothing is behind these pieces until they are
  // taken.
  const Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {});
    for (int i = 0; i < 64; ++i) {
      auto s = b.state("s" + std::to_string(i), tensor_state(f32, {1 << 28}));
      state_write(s, state_read(s) + x);
    }
    b.output("y", x + 1.f);
  });
  const Device device = run::VulkanDevice({}).describe();
  const plan::Plan plan = run::make_plan(g, emit::target_of(device));
  CHECK_THROWS_WITH(
      run::VulkanExecutor(plan, std::nullopt, device, {}),
      Catch::Matches(".*this needs 7[0-9]{10} bytes of .* memory, of which [0-9]+ are left: open with smaller "
                     "sizes .*"));
  CHECK(code_of([&] { const run::VulkanExecutor e(plan, std::nullopt, device, {}); }) == ErrorCode::out_of_memory);
  const Graph one = graph([](GraphBuilder& b) {
    auto s = b.state("s", tensor_state(f64, {1 << 30}));
    state_write(s, state_read(s) + b.input("x", f64, {}));
    b.output("y", b.input("z", f32, {}) + 1.f);
  });
  const plan::Plan large = run::make_plan(one, emit::target_of(device));
  CHECK_THROWS_WITH(run::VulkanExecutor(large, std::nullopt, device, {}),
                    Catch::Matches(".*this needs [0-9]{10,} bytes in one piece, and .* gives at most [0-9]{9,}: .*"));
}

TEST_CASE("on a Vulkan device every command passes the validation layers, synchronisation too") {
  if (!run_test::has_vulkan()) return;
  Llama llama("run_validated");
  run::CompiledGraph llama_steps(llama.model, llama.graph, Backend::vulkan,
                                 {.validate = true, .dims = {{"slots", 2}, {"ctx", 24}}});
  for (const Rows& r : {kPrompt, kNext, kMixed})
    llama_steps.step({{"tok", ids(r.tok)}, {"pos", ids(r.pos)}, {"slot", ids(r.slot)}, {"rows", ids(r.rows)}});
  llama_steps.restore(llama_steps.save());
  run::CompiledGraph kinds(llama.model, several_kinds(), Backend::vulkan, {.validate = true});
  for (const int rows : {2, 40, 1}) kinds.step({{"x", Tensor(f32, {rows, 3})}, {"more", Tensor(boolean, {})}});
}
