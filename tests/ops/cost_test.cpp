// SPDX-License-Identifier: Apache-2.0
// Operators that compute say how much.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "lib/graph/infer.h"

using namespace openinfer;

TEST_CASE("every operator has a cost but those that move, view, fill, convert or keep") {
  const std::set<std::string_view> none = {"broadcast", "cast",       "concat",      "fill",     "flip",
                                           "gather",    "iota",       "kv_read",     "kv_write", "reshape",
                                           "slice",     "state_read", "state_write", "transpose"};
  for (const OpDef* op : OpSet::builtin().all()) {
    INFO(op->name);
    CHECK((op->cost == nullptr) == none.contains(op->name));
  }
}

TEST_CASE("operators over rows count operations of each element") {
  const auto flops = [](const std::function<Value(const Value&)>& of) {
    const Graph g = graph([&](GraphBuilder& b) { b.output("y", of(b.input("x", f32, {3, 64}))); });
    double sum = 0;
    for (const NodeId n : g.data().top().nodes)
      sum += flops_of(g.data(), g.data().nodes[n], [](const Dim& d) { return d.constant(); });
    return sum / (3 * 64);
  };
  CHECK(flops([](const Value& x) { return softmax(x); }) == 5);
  CHECK(flops([](const Value& x) { return log_softmax(x); }) == 5);
  CHECK(flops([](const Value& x) { return l2_norm(x); }) == 3);
  CHECK(flops([](const Value& x) { return cumsum(x); }) == 1);
  CHECK(flops([](const Value& x) { return argmax(x); }) == 1);
  CHECK(flops([](const Value& x) { return std::get<0>(top_k(x, 4)); }) == 6);
  CHECK(flops([](const Value& x) { return argsort(x, {.axis = 0}); }) == 2);
}
