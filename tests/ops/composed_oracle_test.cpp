// SPDX-License-Identifier: Apache-2.0
// conv1d, conv2d, pooling and einsum against PyTorch: composed_oracle.oinf (scripts/make_composed_oracle.py). Each case
// runs as it stands, and with a symbol for the rows of the operands.
#include <fmt/format.h>

#include <array>
#include <catch2/catch.hpp>
#include <map>

#include "openinfer/openinfer.h"
#include "tests/ops/oracle.h"
#include "tests/source_path.h"

using namespace openinfer;
using namespace openinfer::testing;

namespace {

/// One case of the package.
struct OracleCase {
  const Model& model;
  std::string at;

  OracleCase(const Model& model, std::int64_t i) : model(model), at(fmt::format("case.{}.", i)) {}
  template <class T>
  T meta(std::string_view name) const {
    return model.meta<T>(at + std::string(name));
  }
  Tensor tensor(const std::string& name) const {
    const TensorInfo info = model.tensor(at + name);
    Tensor t(info.dtype, info.shape);
    model.read(at + name, 0, t.mutable_bytes());
    return t;
  }
  std::vector<Tensor> operands() const {
    std::vector<Tensor> all;
    for (int k = 0; model.contains(fmt::format("{}x{}", at, k)); ++k) all.push_back(tensor(fmt::format("x{}", k)));
    return all;
  }
  std::string op() const { return meta<std::string>("op"); }
  std::int64_t one(std::string_view name) const { return meta<std::vector<std::int64_t>>(name).at(0); }
  std::array<std::int64_t, 2> two(std::string_view name) const {
    const auto both = meta<std::vector<std::int64_t>>(name);
    return {both.at(0), both.at(1)};
  }
};

template <class Pool, class Read>
Pool pool_options(const OracleCase& c, const Read& read) {
  Pool o;
  o.size = read("size"), o.stride = read("stride"), o.padding = read("padding"), o.dilation = read("dilation");
  if (c.op().starts_with("avg")) o.count_padding = c.meta<bool>("count_padding");
  return o;
}

template <class Conv, class Read>
Conv conv_options(const OracleCase& c, const Read& read, const std::vector<Value>& x) {
  Conv o;
  o.stride = read("stride"), o.padding = read("padding"), o.dilation = read("dilation");
  o.groups = c.meta<std::int64_t>("groups");
  if (x.size() > 2) o.bias = x[2];
  return o;
}

Value call(const OracleCase& c, const std::vector<Value>& x) {
  const auto one = [&](std::string_view name) { return c.one(name); };
  const auto two = [&](std::string_view name) { return c.two(name); };
  const std::string op = c.op();
  if (op == "conv1d") return conv1d(x[0], x[1], conv_options<Conv1d>(c, one, x));
  if (op == "conv2d") return conv2d(x[0], x[1], conv_options<Conv2d>(c, two, x));
  if (op == "max_pool1d") return max_pool1d(x[0], pool_options<Pool1d>(c, one));
  if (op == "max_pool2d") return max_pool2d(x[0], pool_options<Pool2d>(c, two));
  if (op == "avg_pool1d") return avg_pool1d(x[0], pool_options<Pool1d>(c, one));
  if (op == "avg_pool2d") return avg_pool2d(x[0], pool_options<Pool2d>(c, two));
  REQUIRE(op == "einsum");
  return einsum(c.meta<std::string>("formula"), {x.begin(), x.end()});
}

/// The operand's shape with `rows` for the first dimension of x, or for every one with an einsum's first label.
Shape with_symbol(const OracleCase& c, std::size_t operand, Shape shape, const Dim& rows) {
  if (c.op() != "einsum") {
    if (operand == 0) shape[0] = rows;
    return shape;
  }
  const std::string formula = c.meta<std::string>("formula");
  std::size_t from = 0;
  for (std::size_t k = 0; k < operand; ++k) from = formula.find(',', from) + 1;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (formula[from + d] == formula[0]) shape[d] = rows;
  return shape;
}

Tensor result(const OracleCase& c, const std::vector<Tensor>& operands, bool symbols, int threads) {
  const Graph g = graph([&](GraphBuilder& b) {
    const Dim rows = symbols ? b.dim("rows", 0, 64) : Dim(0);
    std::vector<Value> x;
    for (std::size_t k = 0; k < operands.size(); ++k) {
      Shape shape(operands[k].shape().begin(), operands[k].shape().end());
      if (symbols) shape = with_symbol(c, k, shape, rows);
      x.push_back(b.input(fmt::format("x{}", k), operands[k].dtype(), shape));
    }
    b.output("y", call(c, x));
  });
  Inputs inputs;
  for (std::size_t k = 0; k < operands.size(); ++k) inputs.emplace_back(fmt::format("x{}", k), operands[k]);
  SimSession session(g, {.threads = threads});
  return session.run_step(inputs)["y"];
}

/// May that case's first dimension be a symbol? Products of matrices with several symbols' extents are refused.
bool takes_symbol(const OracleCase& c) {
  if (c.op() != "einsum") return true;
  const std::string formula = c.meta<std::string>("formula");
  return formula[0] != ',' && formula.find(formula[0], formula.find("->")) != std::string::npos;
}

}  // namespace

TEST_CASE("composed_operators_agree_with_pytorch") {
  const Model model = ModelLoader::open(testing::source_path("tests/ops/composed_oracle.oinf"));
  std::map<std::string, int> seen;
  for (std::int64_t i = 0; i < model.meta<std::int64_t>("cases"); ++i) {
    const OracleCase c(model, i);
    const std::vector<Tensor> operands = c.operands();
    const Tensor wanted = c.tensor("y"), scale = model.contains(c.at + "scale") ? c.tensor("scale") : Tensor();
    const Rule rule = Rule::parse(c.meta<std::string>("rule"));
    ++seen[c.op()];
    for (const bool symbols : {false, true}) {
      if (symbols && !takes_symbol(c)) continue;
      const Tensor found = result(c, operands, symbols, symbols ? 3 : 1);
      INFO(c.at << c.op() << (symbols ? ", rows as a symbol" : ""));
      REQUIRE(found.dtype() == wanted.dtype());
      REQUIRE(found.shape() == wanted.shape());
      CHECK(first_difference(found, wanted, scale, rule) == -1);
    }
  }
  CHECK(seen.size() == 7);
  for (const auto& [op, count] : seen) CHECK(count >= 10);
}
