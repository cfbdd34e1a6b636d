// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/inputs.h"

#include <algorithm>

#include "lib/base/checked.h"
#include "lib/base/nearest.h"
#include "lib/base/number.h"

namespace openinfer {
namespace {

/// An input on its way: its declared type and what was given.
struct Given {
  std::size_t input = 0;
  const std::string* name = nullptr;
  const TensorType* type = nullptr;
  const InputValue* value = nullptr;
  std::vector<bool> solved = {};  // dimensions that agree already
  bool done = false;
};

std::int64_t number_count(const InputValue& value) {
  return static_cast<std::int64_t>(value.integers().size() + value.numbers().size());
}

std::vector<Given> match(const GraphData& g, const Inputs& inputs) {
  std::vector<Given> matched;
  for (const auto& [name, value] : inputs) {
    const auto found = std::find(g.inputs.begin(), g.inputs.end(), name);
    if (found == g.inputs.end())
      fail(ErrorCode::not_found, "[input] the graph has no input '{}'{}", name,
           nearest_hint(name, std::vector<std::string_view>(g.inputs.begin(), g.inputs.end())));
    const auto i = static_cast<std::size_t>(found - g.inputs.begin());
    for (const Given& other : matched)
      if (other.input == i) fail(ErrorCode::invalid_argument, "[input] '{}' is given twice", name);
    const TensorType& type = g.values[g.top().arguments[i]].type;
    matched.push_back({i, &name, &type, &value, std::vector<bool>(type.shape.size(), false)});
  }
  return matched;
}

/// The extents of a list of numbers once at most one of its dimensions is unknown: that one takes what is left.
std::optional<Extents> list_extents(const Binding& binding, const Given& given) {
  const Shape& shape = given.type->shape;
  const std::int64_t count = number_count(*given.value);
  Extents extents(shape.size(), 1);
  std::optional<std::size_t> unknown;
  std::int64_t known = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto extent = binding.find(shape[i]);
    if (!extent && unknown) return std::nullopt;
    if (extent)
      known = checked_multiply(known, extents[i] = *extent);
    else
      unknown = i;
  }
  if (unknown && known != 0 && count % known == 0) return extents[*unknown] = count / known, extents;
  if (!unknown && known == count) return extents;
  fail(ErrorCode::shape_mismatch, "[input] {} numbers do not fill '{}', which is {}{}", count, *given.name,
       given.type->to_string(), unknown ? "" : " = " + to_string(extents));
}

std::optional<Extents> given_extents(const Binding& binding, const Given& given) {
  const auto& tensor = given.value->tensor();
  if (!tensor) return list_extents(binding, given);
  if (tensor->shape().size() != given.type->shape.size())
    fail(ErrorCode::shape_mismatch, "[input] '{}' is {}; the tensor given has shape {}", *given.name,
         given.type->to_string(), to_string(tensor->shape()));
  return tensor->shape();
}

/// True if this brought something new.
bool solve(Binding& binding, Given& given) {
  const auto extents = given_extents(binding, given);
  if (!extents) return false;
  bool progress = false;
  for (std::size_t i = 0; i < extents->size(); ++i) {
    if (given.solved[i]) continue;
    given.solved[i] = binding.unify(given.type->shape[i], (*extents)[i], *given.name, i);
    progress |= given.solved[i];
  }
  given.done = std::find(given.solved.begin(), given.solved.end(), false) == given.solved.end();
  return progress || given.done;
}

void solve_all(Binding& binding, std::vector<Given>& given) {
  for (bool progress = true; progress;) {
    progress = false;
    for (Given& one : given)
      if (!one.done) progress |= solve(binding, one);
  }
  for (const Given& one : given)
    if (!one.done)
      fail(ErrorCode::invalid_argument,
           "[input] the shape of '{}', {}, cannot be told from what is given; set its symbols in the session's options",
           *one.name, one.type->to_string());
}

Tensor convert(const Given& given, Extents extents) {
  const DType dtype = given.type->dtype;
  if (const auto& tensor = given.value->tensor()) {
    if (tensor->dtype() != dtype)
      fail(ErrorCode::dtype_mismatch, "[input] '{}' is {}; the tensor given holds {}", *given.name,
           given.type->to_string(), name(tensor->dtype()));
    return *tensor;
  }
  Tensor tensor(dtype, std::move(extents), Location{});
  std::byte* to = tensor.mutable_bytes().data();
  const auto store = [&](Number number) {
    if (!store_number(number, dtype, to))
      fail(ErrorCode::dtype_mismatch, "[input] '{}' is {}, which cannot hold {}", *given.name, given.type->to_string(),
           to_string(number));
    to += info(dtype).block_bytes;
  };
  for (std::int64_t n : given.value->integers()) store(n);
  for (double n : given.value->numbers()) store(n);
  return tensor;
}

}  // namespace

std::vector<std::optional<Tensor>> take_inputs(const GraphData& g, Binding& binding, const Inputs& inputs) {
  binding.begin_step();
  std::vector<Given> given = match(g, inputs);
  solve_all(binding, given);
  std::vector<std::optional<Tensor>> tensors(g.inputs.size());
  for (const Given& one : given) tensors[one.input] = convert(one, binding.extents(one.type->shape));
  return tensors;
}

}  // namespace openinfer
