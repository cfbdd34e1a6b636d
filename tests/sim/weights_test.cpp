// SPDX-License-Identifier: Apache-2.0
// Weights: found and checked when a session is made, touched when a node needs them.
#include <catch2/catch.hpp>
#include <thread>

#include "lib/graph/ir.h"

#include "pages.h"
#include "test_ops.h"
#include "test_package.h"

using namespace sim_test;
using Catch::Contains;

namespace {

constexpr std::int64_t kRows = 512, kColumns = 2048;  // 4 MiB of f32

void add_large(TestPackage& package, const std::string& key, float value) {
  package.add(key, {kRows, kColumns}, std::vector<float>(kRows * kColumns, value));
}

Tensor ones(std::int64_t n) { return Tensor(std::vector<float>(static_cast<std::size_t>(n), 1.f), {1, n}); }

/// y = x·Wᵀ over layers 0..2 of W, each (2, 2), and a last one.
Graph small_graph(const Model& model) {
  return graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {1, 2});
    b.output("y", dot(b.loop("l", 0, 3, x, [&](Index l, Value v) { return dot(v, model("W.{}", l)); }), model["last"]));
  });
}

void add_small(TestPackage& package, int layers = 3) {
  for (int l = 0; l < layers; ++l)
    package.add("W." + std::to_string(l), {2, 2}, std::vector<float>{1, static_cast<float>(l), 0, 1});
  package.add("last", {2, 2}, std::vector<float>{2, 0, 0, 3});
}

}  // namespace

TEST_CASE("a weight that no output needs stays out of memory") {
  TestPackage package("sim_weights_lazy");
  for (const char* key : {"a", "b", "c"}) add_large(package, key, 1.f);
  const Model model = package.open();
  const auto g = graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {1, kColumns});
    b.output("a", dot(x, model["a"]));
    b.output("b", dot(x, model["b"]));
    b.output("c", b.cond(
                      less(b.constant(Tensor::scalar(1)), 0), [&] { return dot(x, model["c"]); },
                      [&] { return dot(x, model["a"]); }));
  });
  SimSession sim(model, g);
  const auto pages = [&](const char* key) { return present_pages(model.bytes(key)); };
  // A fault maps up to 16 pages around it, so that neighbours' edges may come along.
  constexpr std::size_t kEdge = 32, kAll = kRows * kColumns * 4 / 4096;
  CHECK(pages("a") + pages("b") + pages("c") <= kEdge);
  const auto out = sim.run_step({{"x", ones(kColumns)}}, {"b"});
  CHECK(floats(out["b"]) == std::vector<float>(kRows, kColumns));
  CHECK(pages("b") >= kAll);
  CHECK(pages("a") <= kEdge);
  CHECK(pages("c") <= kEdge);
  CHECK(sim.stats().bytes_read == 4 * kRows * kColumns);
  sim.run_step({{"x", ones(kColumns)}});
  CHECK(pages("a") >= kAll);
  CHECK(pages("c") <= kEdge);  // the branch not taken
}

TEST_CASE("families follow the loop, in map and pread mode alike") {
  TestPackage package("sim_weights_family");
  add_small(package);
  for (const auto mode : {Model::ReadMode::map, Model::ReadMode::pread}) {
    const Model model = package.open(mode);
    SimSession sim(model, small_graph(model));
    // (1, 1) → (1 + 0, 1) → (1 + 1, 1) → (2 + 2, 1) → (8, 3)
    CHECK(floats(sim.run_step({{"x", row({1, 1})}})["y"]) == std::vector<float>{8, 3});
    CHECK(sim.stats().bytes_read == 4 * 16);
  }
}

TEST_CASE("a key may be made of several indices, scaled and moved") {
  TestPackage package("sim_weights_indices");
  for (int i : {1, 2, 3})
    for (int j : {0, 1})
      package.add("W." + std::to_string(i) + ".x." + std::to_string(j), {1, 1},
                  std::vector<float>{static_cast<float>(10 * i + j)});
  const Model model = package.open();
  SimSession sim(model, graph(model, [&](GraphBuilder& b) {
                   auto x = b.input("x", f32, {1, 1});
                   b.output("y", b.loop("i", 0, 2, x, [&](Index i, Value v) {
                     return b.loop("j", 0, 2, v,
                                   [&](Index j, Value w) { return plus(w, dot(x, model("W.{}.x.{}", 2 * i + 1, j))); });
                   }));
                   b.output("diagonal", b.loop("i", 1, 2, x, [&](Index i, Value v) {
                     return plus(v, dot(x, model("W.{}.x.{}", i, i)));
                   }));
                 }));
  const auto out = sim.run_step({{"x", of({1.f}, {1, 1})}});
  CHECK(floats(out["y"]) == std::vector<float>{1 + 10 + 11 + 30 + 31});
  CHECK(floats(out["diagonal"]) == std::vector<float>{12});
}

TEST_CASE("transposed and splat tensors, stored and dense") {
  TestPackage package("sim_weights_transposed");
  // Logical ((1, 2), (3, 4), (5, 6)), stored as columns.
  package.add("turned", {3, 2}, std::vector<float>{1, 3, 5, 2, 4, 6}, true);
  const float seven = 7;
  package.writer().splat({"splat", "f32", {3, 2}, false, opnf::Layout::rows, {}}, std::as_bytes(std::span(&seven, 1)));
  for (const auto mode : {Model::ReadMode::map, Model::ReadMode::pread}) {
    const Model model = package.open(mode);
    SimSession sim(model, graph(model, [&](GraphBuilder& b) {
                     auto x = b.input("x", f32, {1, 2});
                     b.output("stored", dot(x, model["turned"]));
                     b.output("dense", plus(b.value(model["turned"]), 0.5));
                     b.output("itself", b.value(model["turned"]));
                     b.output("splat", dot(x, model["splat"]));
                     b.output("carried",
                              b.loop("l", 0, 2, model["turned"], [](Index, Value v) { return plus(v, 1.0); }));
                   }));
    const auto out = sim.run_step({{"x", row({1, 10})}});
    CHECK(floats(out["stored"]) == std::vector<float>{21, 43, 65});
    CHECK(out["dense"] == of({1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.5f}, {3, 2}));
    CHECK(out["itself"] == of({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {3, 2}));
    CHECK(floats(out["splat"]) == std::vector<float>{77, 77, 77});
    CHECK(out["carried"] == of({3.f, 4.f, 5.f, 6.f, 7.f, 8.f}, {3, 2}));
  }
}

TEST_CASE("a package that is not what the graph declares is refused when the session is made") {
  TestPackage package("sim_weights_good");
  add_small(package);
  const Model model = package.open();
  const Graph g = small_graph(model);
  const auto error = [&](const auto& fill) {
    TestPackage other("sim_weights_other");
    fill(other);
    return error_of([&] { SimSession(other.open(), g); });
  };
  CHECK_THAT(error([](TestPackage& p) { add_small(p, 2); }),
             Contains("[model] no tensor \"W.2\" (the family has 0..1) at weights_test.cpp:"));
  CHECK_THAT(error([](TestPackage& p) {
               add_small(p, 2);
               p.add("W.2", {2, 2}, std::vector<Half>(4));
             }),
             Contains("[model] \"W.2\" is f16 in the package; the graph declares f32 at weights_test.cpp:"));
  CHECK_THAT(error([](TestPackage& p) {
               add_small(p, 2);
               p.add("W.2", {2, 3}, std::vector<float>(6));
             }),
             Contains("[model] \"W.2\" is (2, 3) in the package; the graph declares (2, 2) at weights_test.cpp:"));
  const Graph needs = graph(model, [&](GraphBuilder& b) {
    b.output("y", dot(b.input("x", f32, {1, 2}), model["last"]));
  });
  CHECK_THAT(error_of([&] {
               TestPackage p("sim_weights_turned");
               p.add("last", {2, 2}, std::vector<float>(4), true);  // the orientation may differ: the numbers agree
               SimSession(p.open(), needs);
             }),
             Catch::Equals(""));
}

TEST_CASE("swapped dimensions are named as such, and a graph without its package is refused") {
  TestPackage package("sim_weights_swap"), other("sim_weights_swapped");
  package.add("w", {3, 2}, std::vector<float>(6));
  other.add("w", {2, 3}, std::vector<float>(6));
  const Model model = package.open();
  const Graph g = graph(model, [&](GraphBuilder& b) { b.output("y", dot(b.input("x", f32, {1, 2}), model["w"])); });
  CHECK_THAT(error_of([&] { SimSession(other.open(), g); }),
             Contains("\"w\" is (2, 3) in the package; the graph declares (3, 2) (the last two swapped"));
  CHECK(floats(SimSession(g).run_step({{"x", row({1, 1})}})["y"]).size() == 3);  // it remembers what it was built over
  auto alone = std::make_shared<GraphData>(g.data());
  alone->model.reset();
  CHECK_THAT(error_of([&] { SimSession(Graph(std::move(alone))); }),
             Contains("[model] the graph names @w and the session has no package at weights_test.cpp:"));
}

TEST_CASE("a file that was cut while open is an error at the next use") {
  TestPackage package("sim_weights_cut");
  add_large(package, "a", 1.f);
  const Model model = package.open();
  SimSession sim(model, graph(model, [&](GraphBuilder& b) {
                   b.output("y", dot(b.input("x", f32, {1, kColumns}), model["a"]));
                 }));
  sim.run_step({{"x", ones(kColumns)}});
  std::filesystem::resize_file(package.path(), 8192);
  CHECK_THAT(error_of([&] { sim.run_step({{"x", ones(kColumns)}}); }), Contains("while open at weights_test.cpp:"));
}

TEST_CASE("a file that is cut in the midst of a step is an error of the next node that reads it") {
  for (const auto mode : {Model::ReadMode::map, Model::ReadMode::pread}) {
    TestPackage package("sim_weights_cut_within");
    add_large(package, "a", 1.f);
    package.add("b", {3, kRows}, std::vector<float>(3 * kRows, 1.f));
    const Model model = package.open(mode);
    SimSession sim(model, graph(model, [&](GraphBuilder& b) {
                     auto x = b.input("x", f32, {1, kColumns});
                     b.output("y", dot(dot(x, model["a"]) % hints{.name = "first"}, model["b"]));
                   }));
    sim.watch("first", [&](const Watched&) { std::filesystem::resize_file(package.path(), 4096); });
    CHECK_THAT(error_of([&] { sim.run_step({{"x", ones(kColumns)}}); }), Contains("while open"));
  }
}

TEST_CASE("sessions in several threads share one model") {
  TestPackage package("sim_weights_shared");
  add_small(package);
  for (const auto mode : {Model::ReadMode::map, Model::ReadMode::pread}) {
    const Model model = package.open(mode);
    const Graph g = small_graph(model);
    std::vector<std::thread> users;
    std::vector<int> wrong(4);
    for (std::size_t u = 0; u < wrong.size(); ++u)
      users.emplace_back([&, u] {
        SimSession sim(model, g, {.threads = 2});
        for (int step = 0; step < 50; ++step)
          wrong[u] += floats(sim.run_step({{"x", row({1, 1})}})["y"]) != std::vector<float>{8, 3};
      });
    for (auto& user : users) user.join();
    CHECK(wrong == std::vector<int>(4, 0));
  }
}

TEST_CASE("a key that names one loop twice has a member for each turn, not for each pair") {
  TestPackage package("sim_weights_twice");
  for (int i : {0, 1, 2})
    package.add("D." + std::to_string(i) + "." + std::to_string(i + 1), {1, 1},
                std::vector<float>{static_cast<float>(i + 1)});
  const Model model = package.open();
  const Graph g = graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {1, 1});
    b.output("y", b.loop("l", 0, 3, x, [&](Index l, Value v) { return plus(v, dot(x, model("D.{}.{}", l, l + 1))); }));
  });
  CHECK(floats(SimSession(model, g).run_step({{"x", of({1.f}, {1, 1})}})["y"]) == std::vector<float>{7});
}
