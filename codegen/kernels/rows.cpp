// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/rows.h"

#include <algorithm>

#include "codegen/kernels/over_axes.h"

namespace openinfer::kernels {

using kir::Val;

Rows::Rows(kir::Build& k, Extent rows, Extent width) : k_(k), rows_(std::move(rows)) {
  const kir::Target& t = k.target();
  whole_group_ = t.subgroups > 1 && (!width.known() || width.value > 4 * t.lanes);
  // On a CPU a workgroup is a call: worth about a thousand elements.
  if (t.lanes_are_vectors() && width.known())
    several_ = static_cast<int>(1024 / std::clamp<std::int64_t>(width.value, 8, 1024));
}

void Rows::each(const std::function<void(Val row)>& body) const {
  if (whole_group_ || (several_ == 1 && k_.target().lanes_are_vectors())) return body(k_.group());
  const Val rows = value_of(k_, rows_);
  if (several_ == 1) {
    const Val row = k_.let("row", k_.subgroup_global());
    return k_.if_(row < rows, [&] { body(row); });
  }
  const Val first = k_.let("first", k_.group() * several_);
  k_.for_("row", first, k_.let("last", kir::min(first + several_, rows)), body);
}

void Rows::across(std::string_view name, const Val& from, const Val& to, const kir::Build::LoopBody& body) const {
  if (whole_group_) return k_.for_group(name, from, to, body);
  k_.for_lanes(name, from, to, body);
}

void Rows::by_subgroups(std::string_view name, const Val& count, const kir::Build::LoopBody& body) const {
  if (whole_group_) return k_.for_subgroups(name, 0, count, body);
  k_.for_(name, 0, count, body);
}

Val Rows::sum(std::string_view name, const Val& value) const {
  return whole_group_ ? k_.group_sum(name, value) : k_.let(name, k_.lane_sum(value));
}
Val Rows::max(std::string_view name, const Val& value) const {
  return whole_group_ ? k_.group_max(name, value) : k_.let(name, k_.lane_max(value));
}
Val Rows::min(std::string_view name, const Val& value) const {
  return whole_group_ ? k_.group_min(name, value) : k_.let(name, k_.lane_min(value));
}

std::vector<GridFactor> Rows::grid() const { return {{rows_, whole_group_ ? 1 : several_ * k_.target().subgroups}}; }
std::string_view Rows::reason() const {
  if (whole_group_) return "a workgroup for each row: its subgroups combine sums in shared memory";
  return k_.target().lanes_are_vectors() ? "a call for one long or several short rows"
                                         : "a subgroup for each short row";
}

Results::Results(kir::Build& k, const Pointwise& tail, DType dtype, Extent width)
    : k_(k), tail_(tail), width_(std::move(width)) {
  if (tail.outputs.empty())
    y_ = k.out("y", memory_kind(dtype));
  else
    code_.emplace(k, tail);
}

void Results::store(const Val& row, const Val& column, const Val& value) const {
  const Val flat = row * value_of(k_, width_) + column;
  if (!code_) {
    y_[flat] = value;
    return;
  }
  const std::vector<Extent>& axes = tail_.axes;
  const bool ends_in_row = !axes.empty() && axes.back().value == width_.value && axes.back().param == width_.param;
  if (!ends_in_row) return code_->apply({value}, unflatten(k_, axes, flat));
  std::vector<Val> at = unflatten(k_, {axes.begin(), axes.end() - 1}, row);
  at.push_back(column);
  code_->apply({value}, at);
}

kir::Kind sum_kind(DType dtype) { return dtype == DType::f64 ? kir::Kind::f64 : kir::Kind::f32; }

}  // namespace openinfer::kernels
