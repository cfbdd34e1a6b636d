// SPDX-License-Identifier: Apache-2.0
// Graphs of the typed layer against the same ones without types.
#include "openinfer/models/llama_typed.h"
#include "openinfer/openinfer.h"

#include <catch2/catch.hpp>
#include <regex>
#include <string>

#include "lib/graph/ir.h"
#include "tests/sim/small_llama.h"

using namespace openinfer;
using Catch::Contains;

namespace {

struct SmallLlama {
  static constexpr int vocab = sim_test::kVocab, width = sim_test::kWidth, heads = sim_test::kHeads,
                       kv_heads = sim_test::kKvHeads, head_dim = sim_test::kHeadDim, hidden = sim_test::kHidden;
};
struct WiderLlama : SmallLlama {
  static constexpr int hidden = sim_test::kHidden + 1;
};

/// Without the places that nodes were written at, and the columns they make.
std::string text(const Graph& graph) {
  const std::string placeless = std::regex_replace(to_text(graph), std::regex(" +at \\S+:\\d+"), "");
  return std::regex_replace(placeless, std::regex(" +"), " ");
}

}  // namespace

TEST_CASE("a typed llama is the graph of the untyped one") {
  sim_test::TestPackage package("static_llama");
  sim_test::fill_small_llama(package);
  const Model model = package.open();
  CHECK(text(models::llama_typed<SmallLlama>(model)) == text(models::llama(model)));
  CHECK_THROWS_WITH(models::llama_typed<WiderLlama>(model),
                    Contains("[64, 96]") && Contains("[64, 97]") && Contains("llama_typed.h"));
}

TEST_CASE("typed operators are the untyped ones") {
  const Graph typed_graph = graph([](GraphBuilder& b) {
    b.dim("N", 1, 8);
    auto x = typed::input<f32, "N", 6>(b, "x");
    auto row = typed::input<f32, 6>(b, "row");
    auto one = typed::input<f32, "N", 1>(b, "one");
    auto y = (x + row - one) * x / 2 + 1.5;
    typed::Tensor<f16, "N", 6> z = typed::cast<f16>(softmax(y, 0));
    typed::Tensor<f16, 3, "N", 2> moved = typed::reshape<3, "N", 2>(z);
    b.output("moved", moved);
    b.output("product", matmul(y, typed::Tensor<f32, 6, 4>(b.constant("w", Tensor(f32, {6, 4})))));
    b.output("untyped", max(y, Over{.axes = {0}}));
  });
  const Graph untyped = graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 8);
    auto x = b.input("x", f32, {N, 6});
    auto row = b.input("row", f32, {6});
    auto one = b.input("one", f32, {N, 1});
    auto y = (x + row - one) * x / 2 + 1.5;
    auto z = cast(softmax(y, 0), f16);
    b.output("moved", reshape(z, {3, N, 2}));
    b.output("product", matmul(y, b.constant("w", Tensor(f32, {6, 4}))));
    b.output("untyped", max(y, Over{.axes = {0}}));
  });
  CHECK(text(typed_graph) == text(untyped));
}

TEST_CASE("nodes of typed operators know the line they were written on") {
  int sum = 0, product = 0, root = 0;
  const Graph g = graph([&](GraphBuilder& b) {
    auto x = typed::input<f32, 4>(b, "x");
    sum = __LINE__ + 1;
    auto y = x + x;
    product = __LINE__ + 1;
    auto z = y * 2;
    root = __LINE__ + 1;
    b.output("z", silu(z));
  });
  std::vector<int> lines;
  for (const Node& node : g.data().nodes)
    if (!is_leaf(node)) lines.push_back(node.at.line);
  CHECK(lines == std::vector{sum, product, root});
}

TEST_CASE("a value is held to the type that it is given") {
  GraphBuilder b;
  const Value x = b.input("x", f32, {b.dim("N", 1, 8), 6});
  CHECK_NOTHROW(typed::Tensor<f32, "N", 6>(x));
  CHECK_THROWS_WITH((typed::Tensor<f32, "N", 7>(x)),
                    Contains("f32[N, 6]") && Contains("f32[N, 7]") && Contains("static_test.cpp"));
  CHECK_THROWS_WITH((typed::Tensor<f16, "N", 6>(x)), Contains("f32[N, 6]") && Contains("f16[N, 6]"));
  CHECK_THROWS_WITH((typed::Tensor<f32, "M", 6>(x)), Contains("f32[M, 6]"));
}
