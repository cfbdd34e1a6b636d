// SPDX-License-Identifier: Apache-2.0
// Compiled sessions that stream their weights: the same bits as those that map them, within a budget that was proven.
#include <catch2/catch.hpp>

#include <cstring>
#include <filesystem>
#include <regex>

#include "codegen/emit/package_contents.h"
#include "codegen/run/compiled_graph.h"
#include "codegen/run/stream_host.h"
#include "formats/opnf/writer.h"
#include "openinfer/models/llama.h"
#include "tests/sim/layout_model.h"
#include "tests/sim/pages.h"
#include "tests/sim/small_llama.h"

using namespace openinfer;
using run::host::WeightStream;

namespace {

std::int64_t smallest_budget(const Model& model, const Graph& g, SimOptions options) {
  options.memory_budget = 1;
  try {
    SimSession(model, g, Backend::cpu, options);
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::out_of_memory);
    std::smatch number;
    const std::string message = e.message();
    REQUIRE(std::regex_search(message, number, std::regex("smallest memory budget that works is ([0-9]+) ")));
    return std::stoll(number[1]);
  }
  FAIL("a budget of one byte was taken");
  return 0;
}

sim_test::Batch prompt(std::int64_t count, std::int64_t first = 0) {
  sim_test::Batch batch;
  for (std::int64_t i = first; i < first + count; ++i)
    batch.add(static_cast<std::int32_t>((i * 17 + 3) % sim_test::kVocab), static_cast<std::int32_t>(i), 0);
  batch.want();
  return batch;
}

/// A tile of `count` ranges of tensor 0, each of 100 bytes.
WeightStream::Tile tile_at(std::initializer_list<std::uint64_t> firsts) {
  WeightStream::Tile tile;
  for (const std::uint64_t first : firsts) tile.ranges[tile.count++] = {0, first, 100};
  return tile;
}

}  // namespace

TEST_CASE("a compiled llama under a memory budget gives the same bits") {
  sim_test::TestPackage package("run_budget_llama");
  sim_test::fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  for (const int threads : {1, 3}) {
    SimOptions options = {.threads = threads, .dims = {{"ctx", 40}, {"slots", 1}}};
    SimSession free(model, g, Backend::cpu, options);
    const std::int64_t smallest = smallest_budget(model, g, options);
    for (const std::int64_t more : {0, 20000, 1 << 20}) {
      options.memory_budget = smallest + more;
      SimSession bound(model, g, Backend::cpu, options);
      const std::int64_t most = std::min<std::int64_t>(bound.limits().at("N"), 30);
      INFO("N <= " << most);
      free.reset();
      CHECK(prompt(most).run(bound) == prompt(most).run(free));
      for (std::int64_t i = 0; i < 4; ++i) CHECK(prompt(1, most + i).run(bound) == prompt(1, most + i).run(free));
    }
    options.memory_budget = smallest - 1;
    CHECK_THROWS_AS(SimSession(model, g, Backend::cpu, options), Error);
  }
}

TEST_CASE("under a memory budget a compiled session maps no page of the package") {
  sim_test::TestPackage package("run_budget_pages");
  sim_test::fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  SimSession sim(model, g, Backend::cpu, {.dims = {{"ctx", 24}, {"slots", 1}}, .memory_budget = 1 << 24});
  prompt(7).run(sim);
  for (const TensorInfo& tensor : model.tensors()) {
    INFO(tensor.key);
    CHECK(sim_test::present_pages(model.bytes(tensor.key)) == 0);
  }
}

TEST_CASE("weights in rows and in panels, tied and looked up, are streamed to the same bits") {
  sim_test::TestPackage rows("run_budget_rows"), panels("run_budget_panels");
  sim_test::fill_layout_model(rows.writer());
  const Model in_rows = rows.open();
  const auto reader = opnf::Reader::open(rows.path().string());
  panels.writer().copy(reader, opnf::Layout::panel16);
  const Model in_panels = panels.open();
  const Inputs inputs = {{"tok", std::vector<std::int32_t>{3, 47, 0, 3, 16}}};
  for (const Model& model : {in_rows, in_panels}) {
    const Graph g = sim_test::layout_graph(model);
    SimOptions options = {.threads = 2};
    SimSession free(model, g, Backend::cpu, options);
    const Outputs expected = free.run_step(inputs);
    options.memory_budget = smallest_budget(model, g, options) + 50000;
    SimSession bound(model, g, Backend::cpu, options);
    for (int step = 0; step < 3; ++step) {
      const Outputs found = bound.run_step(inputs);
      for (const auto& [name, tensor] : expected.all()) {
        INFO(name);
        CHECK(found[name] == tensor);
      }
    }
  }
}

TEST_CASE("a package that is cut while weights are streamed is an error") {
  sim_test::TestPackage package("run_budget_cut");
  sim_test::fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  SimSession sim(model, g, Backend::cpu, {.dims = {{"ctx", 24}, {"slots", 1}}, .memory_budget = 1 << 24});
  prompt(1).run(sim);
  std::filesystem::resize_file(package.path(), 8192);
  std::string message;
  try {
    for (int i = 1; i < 4; ++i) prompt(1, i).run(sim);  // what was read ahead is still there
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::io_error);
    message = e.message();
  }
  CHECK_THAT(message, Catch::Contains("was cut while open"));
}

TEST_CASE("a package that is replaced while it is open is streamed, and emitted, as it was opened") {
  sim_test::TestPackage package("run_budget_replaced");
  sim_test::fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  const SimOptions options = {.dims = {{"ctx", 24}, {"slots", 1}}, .memory_budget = 1 << 24};
  SimSession sim(model, g, Backend::cpu, options);
  const auto expected = prompt(3).run(sim);
  const plan::Plan plan = run::make_plan(g, {.lanes = 4});
  const emit::PackageContents contents = emit::package_contents(plan, model);

  // Another one of the same name, all of whose weights are somewhere else.
  const std::string path = package.path().string();
  {
    const opnf::Reader same = opnf::Reader::open(path);
    opnf::Writer other(path + ".new");
    other.copy(same);
    other.meta("a_long_text", std::string(1 << 16, 'x'));
    other.write();
  }
  std::filesystem::rename(path + ".new", path);
  CHECK(ModelLoader::open(path).fingerprint() != model.fingerprint());

  SimSession behind(model, g, Backend::cpu, options);
  CHECK(prompt(3).run(behind) == expected);
  SimSession fork = sim.fork();
  fork.reset();
  CHECK(prompt(3).run(fork) == expected);
  CHECK(emit::package_contents(plan, model).metadata == contents.metadata);
  std::filesystem::remove(path);
  CHECK(emit::package_contents(plan, model).weights == contents.weights);
}

TEST_CASE("no other backend takes a memory budget") {
  sim_test::TestPackage package("run_budget_vulkan");
  sim_test::fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  CHECK_THROWS_AS(SimSession(model, g, Backend::vulkan, {.memory_budget = 1 << 24}), Error);
  CHECK_THROWS_AS(SimSession(model, g, Backend::cpu, {.memory_budget = -1}), Error);
}

TEST_CASE("a weight stream gives the tiles that are asked for, whatever the step before asked for") {
  const auto fill = [](std::uint32_t, std::uint64_t first, std::span<std::byte> to) {
    if (first == 9000) throw run::host::Error("the ninth is broken");
    for (std::byte& b : to) b = static_cast<std::byte>(first / 100);
  };
  for (const int buffers : {2, 3, 5}) {
    WeightStream stream({}, {{-1, 0, 100000}}, fill, 3 * 4096, buffers);
    const auto check = [&](std::initializer_list<std::uint64_t> firsts) {
      const WeightStream::Places& places = stream.next();
      std::size_t r = 0;
      for (const std::uint64_t first : firsts) {
        CHECK(places[r][0] == static_cast<std::byte>(first / 100));
        CHECK(places[r++][99] == static_cast<std::byte>(first / 100));
      }
    };
    const auto ask = [&](std::initializer_list<std::uint64_t> firsts) {
      const WeightStream::Tile tile = tile_at(firsts);
      stream.announce({&tile, 1});
      check(firsts);
    };
    for (int step = 0; step < 3; ++step) {
      stream.begin_step();
      ask({100});
      ask({200, 300, 1700});
      const WeightStream::Tile several[] = {tile_at({400}), tile_at({500}), tile_at({600}), tile_at({100})};
      stream.announce(several);
      for (const std::uint64_t first : {400, 500, 600, 100}) check({first});
    }
    stream.begin_step();
    ask({100});
    ask({700});  // another way from here
    ask({400});
    stream.begin_step();
    ask({100});
    stream.begin_step();  // ended early
    ask({800});
    ask({100});
    ask({900});  // and one more than before
    stream.begin_step();
    ask({800});
    CHECK_THROWS_AS(ask({9000}), run::host::Error);
    stream.begin_step();
    ask({800});
    ask({200});
    const auto asked = stream.bytes_read();
    ask({300});
    CHECK(stream.bytes_read() == asked + 100);
  }
  WeightStream small({}, {{-1, 0, 100000}}, fill, 4096, 2);
  const WeightStream::Tile wide = tile_at({100, 200});
  small.announce({&wide, 1});
  CHECK_THROWS_AS(small.next(), run::host::Error);
}
