// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/direct_run.h"

#include "lib/base/fail.h"

namespace openinfer::testing {
namespace {

using Dims = std::map<std::string, std::int64_t, std::less<>>;

std::int64_t value_of(const Dim& dim, const Dims& dims) {
  const auto value = dim.value([&](std::string_view symbol) -> std::optional<std::int64_t> {
    const auto found = dims.find(symbol);
    return found == dims.end() ? std::nullopt : std::optional(found->second);
  });
  if (!value) fail(ErrorCode::invalid_argument, "no input binds {}", dim.to_string());
  return *value;
}

/// Binds a dimension of one symbol, k·N + c, to an extent.
void bind(const Dim& dim, std::int64_t extent, Dims& dims) {
  if (dim.terms().size() == 1) dims[dim.terms()[0].symbol] = (extent - dim.constant()) / dim.terms()[0].factor;
}

Tensor allocated(const TensorType& type, const Dims& dims) {
  Extents extents;
  for (const Dim& d : type.shape) extents.push_back(value_of(d, dims));
  return Tensor(type.dtype, extents);
}

template <class T>
Tensor filled(DType dtype, double value) {
  Tensor t(dtype, {});
  t.mutable_data<T>()[0] = static_cast<T>(value);
  return t;
}

Tensor literal_tensor(const Node& node, DType dtype) {
  const double value = std::visit([](auto v) { return static_cast<double>(v); }, node.literal);
  switch (static_cast<int>(dtype)) {
    case static_cast<int>(DType::f64): return filled<double>(dtype, value);
    case static_cast<int>(DType::f32): return filled<float>(dtype, value);
    case static_cast<int>(DType::f16): return filled<Half>(dtype, value);
    case static_cast<int>(DType::bf16): return filled<BFloat16>(dtype, value);
    case static_cast<int>(DType::i8): return filled<std::int8_t>(dtype, value);
    case static_cast<int>(DType::i16): return filled<std::int16_t>(dtype, value);
    case static_cast<int>(DType::i32): return filled<std::int32_t>(dtype, value);
    case static_cast<int>(DType::i64): return filled<std::int64_t>(dtype, value);
    case static_cast<int>(DType::u8): return filled<std::uint8_t>(dtype, value);
    case static_cast<int>(DType::u16): return filled<std::uint16_t>(dtype, value);
    case static_cast<int>(DType::u32): return filled<std::uint32_t>(dtype, value);
    case static_cast<int>(DType::u64): return filled<std::uint64_t>(dtype, value);
  }
  fail(ErrorCode::unsupported, "a literal of {}", name(dtype));
}

std::vector<Tensor> run_node(const GraphData& g, const Node& node, const std::map<ValueId, Tensor>& values,
                             const Dims& dims, int ranges) {
  if (node.op == &literal_op()) return {literal_tensor(node, g.values[node.results[0]].type.dtype)};
  if (node.op == &constant_op()) return {g.constants[node.decl].tensor};
  std::vector<Tensor> operands, results;
  for (ValueId id : node.operands) operands.push_back(id == kNoValue ? Tensor() : values.at(id));
  for (ValueId id : node.results) results.push_back(allocated(g.values[id].type, dims));
  DirectRun run(node, std::move(operands), std::move(results), dims, ranges);
  node.op->reference(run);
  return std::move(run.results());
}

}  // namespace

const std::byte* DirectRun::stored_rows(std::size_t i, std::int64_t first, std::int64_t) const {
  const Tensor& t = operands_.at(i);
  const std::int64_t last = t.shape().empty() ? 1 : t.shape().back();
  return t.bytes().data() + first * size_bytes(t.dtype(), last);
}

std::int64_t DirectRun::value(const Dim& dim) const { return value_of(dim, dims_); }

void DirectRun::parallel_for(std::int64_t n, std::int64_t,
                             const std::function<void(std::int64_t, std::int64_t)>& f) const {
  for (int r = 0; r < ranges_; ++r)
    if (const std::int64_t begin = n * r / ranges_, end = n * (r + 1) / ranges_; begin < end) f(begin, end);
}

Tensors run_directly(const Graph& graph, const Tensors& inputs, int ranges) {
  const GraphData& g = graph.data();
  std::map<ValueId, Tensor> values;
  Dims dims;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) {
    const ValueId id = g.top().arguments[i];
    const Tensor& tensor = inputs.at(g.inputs[i]);
    for (std::size_t d = 0; d < tensor.shape().size(); ++d)
      bind(g.values[id].type.shape.at(d), tensor.shape()[d], dims);
    values[id] = tensor;
  }
  for (NodeId n : g.top().nodes) {
    auto results = run_node(g, g.nodes[n], values, dims, ranges);
    for (std::size_t r = 0; r < results.size(); ++r) values[g.nodes[n].results[r]] = std::move(results[r]);
  }
  Tensors outputs;
  for (const OutputDecl& o : g.outputs) outputs[o.name] = values.at(o.value);
  return outputs;
}

}  // namespace openinfer::testing
