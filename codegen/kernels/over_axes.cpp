// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/over_axes.h"

#include <algorithm>

#include "lib/base/fail.h"

namespace openinfer::kernels {
namespace {

using kir::Val;

/// How a shape is cut into workgroups: `rows` places of the last but one axis, `chunk` of the last.
struct Cut {
  int chunk = 1, rows = 1;
};

Cut cut_of(const kir::Target& target, const std::vector<Extent>& axes) {
  // Worth a call on a CPU; a few elements for each lane of a GPU.
  const int chunk = target.lanes_are_vectors() ? 4096 : 4 * target.lanes * target.subgroups;
  const Extent& width = axes.back();
  const bool is_short = axes.size() > 1 && width.known() && width.value > 0 && width.value < chunk;
  return {chunk, is_short ? static_cast<int>(chunk / width.value) : 1};
}

Val pieces(kir::Build& k, const Extent& extent, int divide) { return (value_of(k, extent) + (divide - 1)) / divide; }

/// The workgroup's place in the grid: its chunk of the last axis, its rows of the one before, an index of each other.
std::vector<Val> place_of_group(kir::Build& k, const std::vector<Extent>& axes, const Cut& cut) {
  std::vector<Val> at(axes.size());
  Val rest = k.group();
  for (std::size_t d = axes.size(); d-- > 0;) {
    const int divide = d + 1 == axes.size() ? cut.chunk : d + 2 == axes.size() ? cut.rows : 1;
    const bool one_piece = axes[d].known() && axes[d].value <= divide;
    if (one_piece) {
      at[d] = k.constant(0);
    } else if (d == 0) {
      at[d] = rest;
    } else {
      const Val n = pieces(k, axes[d], divide);
      at[d] = rest % n;
      rest = rest / n;
    }
  }
  return at;
}

}  // namespace

Walk over_axes(kir::Build& k, const std::vector<Extent>& axes,
               const std::function<void(const std::vector<Val>& at)>& body) {
  if (axes.empty()) {
    body({});
    return {.grid = {}, .reason = "one element"};
  }
  const std::size_t rank = axes.size();
  const Cut cut = cut_of(k.target(), axes);
  std::vector<Val> at = place_of_group(k, axes, cut);
  const Val width = value_of(k, axes.back());
  const Val first = k.let("first", at.back() * cut.chunk);
  const Val last = axes.back().known() && axes.back().value <= cut.chunk ? width : min(first + cut.chunk, width);
  const auto along_row = [&](Val i) {
    at.back() = i;
    body(at);
  };
  if (cut.rows == 1) {
    k.for_group("i", first, k.let("last", last), along_row);
  } else {
    const Val row = k.let("row", at[rank - 2] * cut.rows);
    k.for_subgroups("r", row, min(row + cut.rows, value_of(k, axes[rank - 2])), [&](Val r) {
      at[rank - 2] = r;
      k.for_lanes("i", 0, width, along_row);
    });
  }

  Walk walk;
  for (const Extent& axis : axes) walk.grid.push_back({axis, 1});
  walk.grid.back().divide = cut.chunk;
  if (rank > 1) walk.grid[rank - 2].divide = cut.rows;
  walk.reason = fmt::format("{} elements a workgroup", cut.rows > 1 ? cut.rows * axes.back().value : cut.chunk);
  return walk;
}

Val flatten(kir::Build& k, const std::vector<Extent>& axes, const std::vector<Val>& at) {
  if (axes.empty()) return k.constant(0);
  Val flat = at[0];  // the first extent is in no place: it would be a parameter that nobody uses
  for (std::size_t d = 1; d < axes.size(); ++d) flat = flat * value_of(k, axes[d]) + at[d];
  return flat;
}

std::vector<Val> unflatten(kir::Build& k, const std::vector<Extent>& axes, Val flat) {
  std::vector<Val> at(axes.size());
  for (std::size_t d = axes.size(); d-- > 0;) {
    if (axes[d].is(1)) {
      at[d] = k.constant(0);
      continue;
    }
    const bool outermost = std::all_of(axes.begin(), axes.begin() + static_cast<std::ptrdiff_t>(d),
                                       [](const Extent& e) { return e.is(1); });
    at[d] = outermost ? flat : flat % value_of(k, axes[d]);
    if (!outermost) flat = flat / value_of(k, axes[d]);
  }
  return at;
}

}  // namespace openinfer::kernels
