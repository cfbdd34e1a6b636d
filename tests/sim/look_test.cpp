// SPDX-License-Identifier: Apache-2.0
// Looking on: watch, node by node, trace, NaNs and infinities.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "test_ops.h"
#include "test_package.h"

using namespace sim_test;
using Catch::Contains;

namespace {

Graph looped() {
  return graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {1});
    b.output("y", b.loop("l", 2, 5, x, [&](Index, Value v) {
      auto twice = plus(v, v) % hints{.name = "twice"};
      auto unused = plus(v, 0.5) % hints{.name = "unused"};
      static_cast<void>(unused);
      return plus(twice, 1.0) % hints{.name = "twice.1"};
    }));
  });
}

struct Seen {
  std::string name, op;
  std::vector<std::int64_t> indices;
  float value;
  bool operator==(const Seen&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Seen& s) {
  out << s.name << " of " << s.op << " in turn";
  for (std::int64_t i : s.indices) out << ' ' << i;
  return out << " is " << s.value;
}

}  // namespace

TEST_CASE("watch sees every turn with its index, line and value") {
  SimSession sim(looped());
  std::vector<Seen> seen;
  sim.watch("twice", [&](const Watched& w) {
    CHECK(std::string(w.at.file).ends_with("look_test.cpp"));
    seen.push_back({std::string(w.name), std::string(w.op), w.indices, w.value.as<float>()[0]});
  });
  sim.run_step({{"x", {1.0}}});
  CHECK(seen == std::vector<Seen>{{"twice", "plus", {2}, 2}, {"twice", "plus", {3}, 6}, {"twice", "plus", {4}, 14}});
  sim.unwatch("twice");
  sim.run_step({{"x", {1.0}}});
  CHECK(seen.size() == 3);
  CHECK(message_of([&] { sim.unwatch("twice"); }) == "[unwatch] nobody watches 'twice'");
}

TEST_CASE("watch matches a prefix, arguments and outputs, and makes run what nobody needs") {
  SimSession sim(looped());
  std::vector<std::string> names;
  const auto note = [&](const Watched& w) { names.emplace_back(w.name); };
  sim.watch("twice.*", note);
  sim.run_step({{"x", {1.0}}});
  CHECK(names == std::vector<std::string>{"twice", "twice.1", "twice", "twice.1", "twice", "twice.1"});
  sim.unwatch("twice.*");

  names.clear();
  sim.watch("unused", note);
  const auto before = sim.stats().nodes_run;
  sim.run_step({{"x", {1.0}}});
  CHECK(names.size() == 3);
  CHECK(sim.stats().nodes_run - before == 9);
  sim.unwatch("unused");

  std::vector<Seen> seen;
  const auto note_all = [&](const Watched& w) {
    const float value =
        w.value.dtype == f32 ? w.value.as<float>()[0] : static_cast<float>(w.value.as<std::int32_t>()[0]);
    seen.push_back({std::string(w.name), std::string(w.op), w.indices, value});
  };
  sim.watch("x", note_all);  // the input, what the loop carries by that name, and what it ends as
  sim.watch("l", note_all);
  sim.run_step({{"x", {1.0}}});
  CHECK(seen == std::vector<Seen>{{"x", "input", {}, 1},
                                  {"l", "loop", {2}, 2},
                                  {"x", "loop", {2}, 1},
                                  {"l", "loop", {3}, 3},
                                  {"x", "loop", {3}, 3},
                                  {"l", "loop", {4}, 4},
                                  {"x", "loop", {4}, 7},
                                  {"x", "loop", {}, 15}});
  sim.unwatch("x");
  sim.unwatch("l");
  seen.clear();
  sim.watch("y", note_all);  // no value has that name, an output does
  sim.run_step({{"x", {1.0}}});
  CHECK(seen == std::vector<Seen>{{"x", "loop", {}, 15}});
  CHECK_THAT(error_of([&] { sim.watch("twise", note); }),
             Contains("[watch] the graph has no value 'twise'; did you mean 'twice'?"));
}

TEST_CASE("what a watcher throws comes out, and the session goes on") {
  SimSession sim(looped());
  sim.watch("twice", [](const Watched&) { throw std::runtime_error("enough"); });
  CHECK_THROWS_WITH(sim.run_step({{"x", {1.0}}}), "enough");
  sim.unwatch("twice");
  CHECK(floats(sim.run_step({{"x", {1.0}}})["y"]) == std::vector<float>{15});
}

TEST_CASE("a watcher cannot step the session that calls it") {
  SimSession sim(looped());
  sim.watch("twice", [&](const Watched&) { sim.run_step({{"x", {1.0}}}); });
  CHECK_THAT(error_of([&] { sim.run_step({{"x", {1.0}}}); }), Contains("[sim] a watcher cannot begin a step"));
  sim.unwatch("twice");
  sim.watch("twice", [&](const Watched&) { sim.next(); });
  CHECK_THAT(error_of([&] { sim.run_step({{"x", {1.0}}}); }), Contains("[sim] a watcher cannot step"));
  sim.unwatch("twice");
  int calls = 0;
  sim.watch("twice", [&](const Watched&) {
    if (calls++ == 0) sim.unwatch("twice");  // takes effect with the next step
  });
  sim.run_step({{"x", {1.0}}});
  sim.run_step({{"x", {1.0}}});
  CHECK(calls == 3);
}

TEST_CASE("a step runs node by node") {
  SimSession sim(looped());
  CHECK_THAT(error_of([&] { sim.next(); }), Contains("[sim] no step was begun"));
  sim.begin({{"x", {1.0}}});
  std::vector<std::string> names;
  std::vector<std::int64_t> indices;
  for (int i = 0; i < 3; ++i) {
    const auto run = sim.next();
    REQUIRE(run);
    CHECK(run->op == "plus");
    CHECK(run->at.line > 0);
    names.emplace_back(run->results.at(0));
    indices.push_back(run->indices.at(0));
  }
  CHECK(names == std::vector<std::string>{"twice", "twice.1", "twice"});
  CHECK(indices == std::vector<std::int64_t>{2, 2, 3});
  CHECK(floats(sim.finish()["y"]) == std::vector<float>{15});
  sim.begin({{"x", {0.0}}});
  int count = 0;
  while (sim.next()) ++count;
  CHECK(count == 6);
  CHECK_FALSE(sim.next());
  CHECK(floats(sim.finish()["y"]) == std::vector<float>{7});
  CHECK_THAT(error_of([&] { sim.finish(); }), Contains("[sim] no step was begun"));
}

TEST_CASE("a NaN or infinity is found where it is made") {
  const auto g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {2, 2});
    b.output("y", b.loop("l", 0, 100, x, [&](Index, Value v) { return plus(v, v) % hints{.name = "double"}; }));
  });
  SimSession sim(g, {.find_nonfinite = true});
  const auto run = [&](std::vector<float> x) { return error_of([&] { sim.run_step({{"x", Tensor(x, {2, 2})}}); }); };
  CHECK(run({0, 0, 0, 0}).empty());
  CHECK_THAT(run({0, 0, 1e38f, -1e38f}),
             Contains("[plus] 'double' is inf at (1, 0), 2 of its elements are not finite (l = 1) at look_test.cpp:"));
  CHECK_THAT(run({0, -3e38f, 0, 0}), Contains("is -inf at (0, 1), 1 of"));
  CHECK_THAT(run({0, 0, 0, std::numeric_limits<float>::quiet_NaN()}), Contains("is NaN at (1, 1)"));
  CHECK(error_of([&] { SimSession(g).run_step({{"x", of({1e38f, 0.f, 0.f, 0.f}, {2, 2})}}); }).empty());
}

TEST_CASE("a trace is Trace Event JSON with one complete event for each node run") {
  const auto path = std::filesystem::temp_directory_path() / "openinfer_look_test_trace.json";
  {
    SimSession sim(looped());
    sim.trace(path.string());
    sim.run_step({{"x", {1.0}}});
    sim.run_step({{"x", {1.0}}});
    sim.stop_trace();
    sim.run_step({{"x", {1.0}}});
  }
  const auto json = nlohmann::json::parse(std::ifstream(path));
  std::filesystem::remove(path);
  const auto& events = json.at("traceEvents");
  REQUIRE(events.size() == 13);
  CHECK(events[0].at("ph") == "M");
  double last = 0;
  for (std::size_t i = 1; i < events.size(); ++i) {
    const auto& e = events[i];
    CHECK(e.at("ph") == "X");
    CHECK(e.at("pid").is_number_integer());
    CHECK(e.at("tid").is_number_integer());
    CHECK(e.at("ts").get<double>() >= last);
    last = e.at("ts").get<double>() + e.at("dur").get<double>() - 0.001;  // printed in whole nanoseconds
    CHECK_THAT(e.at("args").at("at").get<std::string>(), Contains("look_test.cpp:"));
  }
  CHECK(events[3].at("name") == "twice");
  CHECK(events[3].at("cat") == "plus");
  CHECK(events[3].at("args").at("loops") == "l = 3");
  SimSession sim(looped());
  CHECK_THAT(error_of([&] { sim.trace("/nonexistent/folder/t.json"); }),
             Contains("[trace] /nonexistent/folder/t.json: cannot create: No such file or directory"));
}

TEST_CASE("a value in a loop that gives nothing can be watched") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {1});
    b.loop("l", 0, 2, [&](Index) { static_cast<void>(plus(x, 1.0) % hints{.name = "inside"}); });
    b.output("y", plus(x, 2.0));
  }));
  int turns = 0;
  sim.watch("inside", [&](const Watched& w) {
    ++turns;
    CHECK(w.value.as<float>()[0] == 6);
  });
  CHECK(sim.run_step({{"x", {5.0}}})["y"] == Tensor{7.0f});
  CHECK(turns == 2);
}

TEST_CASE("a trace replaces a file when it is whole, and none of the package") {
  TestPackage package("sim_look_trace"), other("sim_look_traced");
  package.add("w", {1}, std::vector<float>{1});
  const Model model = package.open();
  const auto before = std::filesystem::file_size(package.path());
  const Graph g = graph(model, [&](GraphBuilder& b) { b.output("y", plus(b.input("x", f32, {1}), model["w"])); });
  {
    SimSession sim(model, g);
    CHECK_THAT(error_of([&] { sim.trace(package.path().string()); }), Contains("is a file of the package"));
    std::ofstream(other.path()) << "before";
    sim.trace(other.path().string());
    sim.run_step({{"x", {1.0}}});
    CHECK(std::filesystem::file_size(other.path()) == 6);
  }
  CHECK(std::filesystem::file_size(package.path()) == before);
  CHECK(nlohmann::json::parse(std::ifstream(other.path())).at("traceEvents").size() == 2);
}

TEST_CASE("turns in which nothing happens are not gone through one by one") {
  constexpr std::int64_t kMany = (std::int64_t{1} << 31) - 1;  // odd
  SimSession sim(graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {1}), y = b.input("y", f32, {1}), z = b.input("z", f32, {1}), i = b.input("i", i32, {});
    Value p = x, q = y, r = x, s = y, t = z, j = i;
    // Two change places, three go round, the index passes through two.
    std::tie(p, q, r, s, t, i, j) = b.loop("l", 0, kMany, carry(p, q, r, s, t, i, j),
                                           [&](Index l, Value p, Value q, Value r, Value s, Value t, Value i, Value) {
                                             return carry(q, p, s, t, r, b.value(l), i);
                                           });
    for (const auto& [name, v] : {std::pair{"p", p}, {"q", q}, {"r", r}, {"s", s}, {"t", t}, {"m", i}, {"n", j}})
      b.output(name, v);
  }));
  const auto out = sim.run_step({{"x", {1.0}}, {"y", {2.0}}, {"z", {3.0}}, {"i", 7}});
  CHECK(floats(out["p"]) == std::vector<float>{2});
  CHECK(floats(out["q"]) == std::vector<float>{1});
  CHECK(kMany % 3 == 1);
  CHECK(floats(out["r"]) == std::vector<float>{2});
  CHECK(floats(out["s"]) == std::vector<float>{3});
  CHECK(floats(out["t"]) == std::vector<float>{1});
  CHECK(out["m"].view().as<std::int32_t>()[0] == kMany - 1);
  CHECK(out["n"].view().as<std::int32_t>()[0] == kMany - 2);
}

TEST_CASE("a loop that runs no operator comes back after each turn") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {1});
    b.output("y", b.loop("l", 0, std::int64_t{1} << 31, x, [&](Index, Value v) { return v; }));
  }));
  sim.begin({{"x", {1.0}}});
  for (int i = 0; i < 100; ++i) {
    const auto run = sim.next();
    REQUIRE(run);
    CHECK(run->op == "loop");
    CHECK(run->indices == std::vector<std::int64_t>{i});
  }
  SimSession some(graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {1});
    b.output("y", b.loop("l", 0, 3, x, [&](Index, Value v) {
      return plus(b.loop("k", 0, 2, v, [&](Index, Value w) { return w; }), 1.0);
    }));
  }));
  some.begin({{"x", {1.0}}});
  std::vector<std::string> ops;
  while (const auto run = some.next()) ops.emplace_back(run->op);
  CHECK(ops == std::vector<std::string>{"loop", "loop", "plus", "loop", "loop", "plus", "loop", "loop", "plus"});
  CHECK(floats(some.finish()["y"]) == std::vector<float>{4});
}
