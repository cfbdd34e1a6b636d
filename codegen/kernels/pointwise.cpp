// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/pointwise.h"

#include <algorithm>

#include "codegen/kernels/over_axes.h"
#include "lib/base/fail.h"

namespace openinfer::kernels {
namespace {

using kir::Mem;
using kir::Val;

/// `named`: its name stands in the source.
Val step_value(kir::Build& k, const Pointwise::Step& step, const std::vector<Val>& values,
               const std::vector<DType>& dtypes, bool named) {
  std::vector<ScalarExpr> operands;
  std::vector<std::pair<std::string, Val>> given;
  for (const int operand : step.operands) {
    const auto at = static_cast<std::size_t>(operand);
    given.emplace_back(fmt::format("v{}", operand), values[at]);
    operands.push_back(ScalarExpr::parameter(given.back().first, compute_kind(dtypes[at])));
  }
  const Val value =
      located(step.at, [&] { return code_of(k, step.function(operands).as(compute_kind(step.dtype)), given); });
  return named ? k.let(step.name, value) : value;
}

}  // namespace

PointwiseCode::PointwiseCode(kir::Build& k, const Pointwise& what) : k_(k), what_(what) {
  for (const Pointwise::Input& input : what.inputs) {
    inputs_.push_back(k.in(input.name, memory_kind(input.dtype)));
    const bool moves = std::find(input.moves.begin(), input.moves.end(), true) != input.moves.end();
    scalars_.push_back(moves ? Val() : k.let(input.name + "_value", inputs_.back()[0]));
  }
  for (const Pointwise::Output& output : what.outputs) {
    if (output.int8) blocks_.emplace(k, output.name);
    outputs_.push_back(output.int8 ? Mem() : k.out(output.name, memory_kind(output.dtype)));
  }
}

Val PointwiseCode::index(const std::vector<bool>& moves, const std::vector<Val>& at) const {
  std::vector<Extent> axes;
  std::vector<Val> moving;
  for (std::size_t d = 0; d < at.size(); ++d) {
    if (!moves[d]) continue;
    axes.push_back(what_.axes[d]);
    moving.push_back(at[d]);
  }
  return flatten(k_, axes, moving);
}

void PointwiseCode::apply(const std::vector<Val>& given, const std::vector<Val>& at) const {
  if (blocks_) k_.fail("only some products store 8-bit blocks");
  element_of_block(given, at);
}

Val PointwiseCode::element_of_block(const std::vector<Val>& given, const std::vector<Val>& at) const {
  std::vector<Val> values = given;
  std::vector<DType> dtypes = what_.given;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const bool scalar = scalars_[i].build() != nullptr;
    values.push_back(scalar ? scalars_[i] : inputs_[i][index(what_.inputs[i].moves, at)].load());
    dtypes.push_back(what_.inputs[i].dtype);
  }
  // A result that is only stored needs no name: its buffer has it.
  const auto is_read = [&](std::size_t value) {
    return std::any_of(what_.steps.begin(), what_.steps.end(), [&](const Pointwise::Step& s) {
      return std::find(s.operands.begin(), s.operands.end(), static_cast<int>(value)) != s.operands.end();
    });
  };
  for (const Pointwise::Step& step : what_.steps) {
    values.push_back(step_value(k_, step, values, dtypes, is_read(values.size())));
    dtypes.push_back(step.dtype);
  }
  const Val place = index(std::vector<bool>(at.size(), true), at);
  Val element;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const Val& value = values[static_cast<std::size_t>(what_.outputs[i].value)];
    if (what_.outputs[i].int8)
      element = value;
    else
      outputs_[i][place] = value;
  }
  return element;
}

TemplateKernel pointwise(const kir::Target& target, std::string name, const Pointwise& what) {
  kir::Build k(std::move(name), target);
  const PointwiseCode code(k, what);
  Walk walk = over_axes(k, what.axes, [&](const std::vector<Val>& at) { code.apply({}, at); });
  return {.kernel = k.done(), .grid = std::move(walk.grid), .reason = std::move(walk.reason)};
}

}  // namespace openinfer::kernels
