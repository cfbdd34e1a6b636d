// SPDX-License-Identifier: Apache-2.0
// What kernels over rows share: who computes which row, and where results go.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "codegen/kernels/kernel_template.h"
#include "codegen/kernels/pointwise.h"

namespace openinfer::kernels {

/// Deals rows out: a long row to a workgroup, short ones to a subgroup each; on CPUs a workgroup takes several short
/// ones one after the other. Inside each(), across() deals places of the row to lanes, and sum(), max() and min()
/// combine what the lanes have, for all of them.
class Rows {
 public:
  Rows(kir::Build& k, Extent rows, Extent width);
  void each(const std::function<void(kir::Val row)>& body) const;
  void across(std::string_view name, const kir::Val& from, const kir::Val& to, const kir::Build::LoopBody& body) const;
  /// Each index once among those who share a row, whole subgroups.
  void by_subgroups(std::string_view name, const kir::Val& count, const kir::Build::LoopBody& body) const;
  kir::Val sum(std::string_view name, const kir::Val& value) const;
  kir::Val max(std::string_view name, const kir::Val& value) const;
  kir::Val min(std::string_view name, const kir::Val& value) const;
  std::vector<GridFactor> grid() const;
  std::string_view reason() const;

 private:
  kir::Build& k_;
  Extent rows_;
  bool whole_group_;  // of the workgroup for each row
  int several_ = 1;   // rows that a subgroup takes
};

/// Where element (row, column) of a (rows, width) result goes: into the buffer `y`, or, if the tail puts anything out,
/// as what is given to the tail. Make it behind the kernel's own buffers.
class Results {
 public:
  Results(kir::Build& k, const Pointwise& tail, DType dtype, Extent width);
  void store(const kir::Val& row, const kir::Val& column, const kir::Val& value) const;

 private:
  kir::Build& k_;
  const Pointwise& tail_;
  Extent width_;
  kir::Mem y_;
  std::optional<PointwiseCode> code_;
};

/// What sums over elements of a float dtype are made in: f64 of f64, else f32.
kir::Kind sum_kind(DType dtype);

}  // namespace openinfer::kernels
