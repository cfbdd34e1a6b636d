// SPDX-License-Identifier: Apache-2.0
// Check data as bytes: what was recorded, at which keys, with which bounds.
#include "codegen/check/record.h"

#include <openinfer/openinfer.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "codegen/check/recorded_inputs.h"
#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "formats/opnf/reader.h"
#include "lib/passes/pipeline.h"

using namespace openinfer;

namespace {

std::string record(const Graph& g) {
  const Graph compiled = run_passes(g, compilation_passes()).graph;
  plan::Plan p = plan::lower(compiled, {.name = "test", .target = {.lanes = 8}, .entries = {}, .taps = true});
  plan::run_passes(p);
  return check::record(compiled, p, plan::graph_facts(compiled), "this one", ".cpp");
}

/// A reader of bytes in memory.
opnf::Reader open(const std::string& bytes) {
  const auto path = std::filesystem::temp_directory_path() / ("record_test." + std::to_string(::getpid()) + ".oinf");
  std::ofstream(path, std::ios::binary) << bytes;
  opnf::Reader reader = opnf::Reader::open(path.string());
  std::filesystem::remove(path);
  return reader;
}

template <class T>
std::vector<T> elements(const opnf::Reader& data, const std::string& key) {
  const auto bytes = data.bytes(data.find(key).value());
  std::vector<T> all(bytes.size() / sizeof(T));
  std::memcpy(all.data(), bytes.data(), bytes.size());
  return all;
}

Graph cached(std::int64_t rows = 4, std::int64_t context = 64) {
  return graph([&](GraphBuilder& b) {
    const auto N = b.dim("N", 1, rows), ctx = b.dim("ctx", 1, context);
    const auto pos = b.input("pos", i32, {N}), slot = b.input("slot", i32, {N}), ids = b.input("ids", i32, {N});
    const auto table = b.constant("table", Tensor(std::vector<float>(48, 0.5f), {3, 16}));
    const auto x = gather(table, ids);
    const auto kv = b.state("kv", kv_cache({.layers = 2, .slots = 2, .capacity = ctx, .heads = 2, .head_dim = 8}));
    b.output("y", b.loop("l", 0, 2, x, [&](Index l, Value h) {
      kv_write(kv, {.layer = l, .pos = pos, .slot = slot}, h | rope(pos, {.head_dim = 8}), h);
      const auto [keys, values] = kv_read(kv, {.layer = l});
      return h + sdpa(h, keys, values, {.pos = pos, .slot = slot});
    }));
  });
}

}  // namespace

TEST_CASE("the same graph and plan give the same bytes") { CHECK(record(cached()) == record(cached())); }

TEST_CASE("recorded inputs are in range, and go on from step to step") {
  const opnf::Reader data = open(record(cached()));
  CHECK(data.metadata().at("emission").string() == "this one");
  CHECK(data.metadata().at("steps").strings().size() == 2);
  CHECK(elements<std::int32_t>(data, "0.in.slot") == std::vector<std::int32_t>{0, 0, 1, 1});
  CHECK(elements<std::int32_t>(data, "0.in.pos") == std::vector<std::int32_t>{0, 1, 0, 1});
  CHECK(elements<std::int32_t>(data, "1.in.pos") == std::vector<std::int32_t>{2, 3, 2, 3});
  for (const std::int32_t id : elements<std::int32_t>(data, "0.in.ids")) CHECK((id >= 0 && id < 3));
  CHECK(data.metadata().at("sizes.names").strings()[0] == "ctx");
}

TEST_CASE("an input that is repeated, turned or shaped before it is an index is in range too") {
  const Graph g = graph([](GraphBuilder& b) {
    const auto N = b.dim("N", 1, 4);
    const auto kv = b.state("kv", kv_cache({.layers = 1, .slots = 2, .capacity = 8, .heads = 1, .head_dim = 8}));
    const auto x = b.input("x", f32, {N, 8}), table = b.constant("table", Tensor(std::vector<float>(6, 0.5f), {2, 3}));
    const auto slot = b.input("slot", i32, {}), pos = b.input("pos", i32, {N, 1}), ids = b.input("ids", i32, {2, 4});
    kv_write(kv, {.layer = 0, .pos = reshape(pos, {N}), .slot = broadcast(slot, {N})}, x, x);
    b.output("y", gather(table, transpose(ids, {1, 0})));
  });
  const auto bounds = plan::graph_facts(g).index_bounds;
  REQUIRE(bounds.size() == 3);
  const auto said = [&](std::size_t i) {
    return bounds[i].input + " " + bounds[i].below.to_string() + " " + bounds[i].what;
  };
  CHECK(said(0) == "pos 8 positions of kv");
  CHECK(said(1) == "slot 2 slots of kv");
  CHECK(said(2).starts_with("ids 2 entries of"));
  CHECK(elements<std::int32_t>(open(record(g)), "0.in.slot") == std::vector<std::int32_t>{0});
}

TEST_CASE("where tiles of 32 rows multiply, rows reach into their second half, and the cache holds them") {
  const auto recorded = [](bool tiled, std::int64_t context) {
    const Graph g = run_passes(cached(512, context), compilation_passes()).graph;
    plan::Plan p = plan::lower(g, {.name = "test", .target = {.lanes = 8}, .entries = {}});
    if (tiled) p.entries[0].bf16_products.insert(ValueId{0});
    return check::recorded_inputs(g, p, plan::graph_facts(g));
  };
  const auto rows = [](const check::RecordedInputs& r) { return r.steps.at(0).inputs.at(0).second.count(); };
  CHECK(rows(recorded(false, 64)) == 5);
  CHECK(recorded(false, 64).sizes.at("ctx") == 7);
  CHECK(rows(recorded(true, 64)) == 19);
  CHECK(recorded(true, 64).sizes.at("ctx") == 21);
  CHECK(rows(recorded(true, 20)) == 5);  // nineteen and two more would not fit into one slot
}

TEST_CASE("rows of a cache lie at their places, rotated keys within bounds, values to the bit") {
  const opnf::Reader data = open(record(cached()));
  // Taps: gather, keys, values, sdpa, add. The layer is small: all of its 2 slots · 2 heads · 7 positions are there.
  CHECK(data.metadata().at("node.1").strings()[0] == "kv.keys = kv_write (fused away: rope = rope)");
  for (const char* turn : {"0.1.0", "0.1.1", "1.2.1"})
    CHECK(elements<std::int32_t>(data, std::string(turn) + ".starts").size() == 28);
  CHECK(data.find("0.1.0.bound"));
  CHECK_FALSE(data.find("0.2.0.bound"));
  CHECK_FALSE(data.find("0.0.0.bound"));  // a gather moves
  const auto values = elements<float>(data, "0.2.0");
  CHECK(values[0] == 0.5f);      // slot 0, head 0, position 0
  CHECK(values[2 * 8] == 0.0f);  // position 2 is not written yet
  CHECK(elements<float>(data, "1.2.0")[2 * 8] == 0.5f);
}

TEST_CASE("rows by the experts that they chose are within bounds of their own matrix") {
  // One expert is 1000 times as large as the others: rows of the others feel nothing of it.
  std::vector<float> weights(3 * 16 * 4, 0.25f);
  for (std::size_t i = 0; i < 16 * 4; ++i) weights[16 * 4 + i] = 250;
  const opnf::Reader data = open(record(graph([&](GraphBuilder& b) {
    const auto x = b.input("x", f32, {4, 16});
    const auto ids = b.input("ids", i32, {4, 2});
    b.output("y", expert_matmul(x, b.constant("w", Tensor(weights, {3, 16, 4})), ids));
  })));
  const auto ids = elements<std::int32_t>(data, "0.in.ids");
  const auto bounds = elements<BFloat16>(data, "0.0.0.bound");
  REQUIRE(bounds.size() == ids.size() * 4);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    REQUIRE((ids[i] >= 0 && ids[i] < 3));
    const auto bound = static_cast<float>(bounds[4 * i]);
    CHECK(bound > 0);
    CHECK(bound < (ids[i] == 1 ? 1e-1f : 1e-4f));
  }
}

TEST_CASE("both branches of a condition are recorded, in a step each") {
  const opnf::Reader data = open(record(graph([](GraphBuilder& b) {
    const auto x = b.input("x", f32, {4});
    const auto p = b.input("p", boolean, {});
    b.output("y", b.cond(
                      p, [&] { return exp(x); }, [&] { return x * 3.0; }));
  })));
  CHECK((data.find("0.0.0") && !data.find("0.1.0")));
  CHECK((data.find("1.1.0") && !data.find("1.0.0")));
  CHECK(data.find("0.0.0.bound"));
  CHECK_FALSE(data.find("1.1.0.bound"));  // one product of exact numbers: the same bits everywhere
}

TEST_CASE("what a loop carries in a branch hides no value from what follows the condition") {
  const opnf::Reader data = open(record(graph([](GraphBuilder& b) {
    const auto x = b.input("x", f32, {4}), y = b.input("y", f32, {4});
    const auto around = [&] { return b.loop("l", 0, 2, y, [&](Index, Value v) { return v + x; }); };
    b.output("z", b.cond(b.input("p", boolean, {}), around, [&] { return x; }));
    b.output("exp", exp(y));
  })));
  const auto y = elements<float>(data, "0.in.y"), found = elements<float>(data, "0.1.0");
  REQUIRE(found.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(found[i] == Approx(std::exp(y[i])));
}

TEST_CASE("casts that round once are held to their bits, and so is what chooses by them") {
  const auto held = [](const Tensor& table, DType to, bool choose) {
    const opnf::Reader data = open(record(graph([&](GraphBuilder& b) {
      const auto x = gather(b.constant("table", table), b.input("ids", i32, {64}));
      const auto y = cast(x, to);
      b.output("y", choose ? select(lt(abs(y), 6e4), y, 0.75) : y);
    })));
    return data.find("0.0.0") && !data.find("0.0.0.bound");
  };
  // By way of the nearest f32 or f64, each of these would be rounded to the wrong side of a tie.
  const Tensor i32s(std::vector<std::int32_t>{3, -5, 0x1010001, -0x1010001, 0x7fffffff}, {5});
  const Tensor i64s(std::vector<std::int64_t>{3, -5, 0x1010001, (1ll << 60) + (1ll << 36) + 1, -(1ll << 62) - 1}, {5});
  const Tensor f64s(std::vector<double>{0.5, -3, 1 + 0x1p-8 + 0x1p-40, 1 + 0x1p-11 + 0x1p-40, 1.0625 + 0x1p-50}, {5});
  for (const Tensor& table : {i32s, i64s, f64s})
    for (const DType to : {f16, bf16, DType::f8e4m3, f32}) {
      CAPTURE(name(table.dtype()), name(to));
      CHECK(held(table, to, false));
      // What stays in a register may keep the digits of a fraction until the store.
      if (table.dtype() != f64 && to != DType::f8e4m3) CHECK(held(table, to, true));
    }
}
