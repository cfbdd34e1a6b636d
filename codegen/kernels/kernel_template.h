// SPDX-License-Identifier: Apache-2.0
// What every kernel template takes and gives. A template is a function from a plain description of the work (shapes,
// dtypes, what to fuse) and a kir::Target (lanes, subgroups) to a kernel and its grid. It knows no graph and no device.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codegen/kernel_ir/build.h"
#include "openinfer/dtype.h"

namespace openinfer::kernels {

/// A size: a number that is known now, or a parameter of the kernel that is at most `value`.
struct Extent {
  std::int64_t value = 1;
  std::string param = {};  // "" : known
  bool known() const { return param.empty(); }
  bool is(std::int64_t n) const { return known() && value == n; }
};
/// The extent as a value: a constant or the parameter. Errors: internal if it does not fit i32.
kir::Val value_of(kir::Build& k, const Extent& extent);

/// Workgroups of a dispatch = Π ceil(extent / divide).
struct GridFactor {
  Extent extent;
  std::int64_t divide = 1;
};

/// How a product's workgroups share its columns where each reads whole stored rows of W:
/// workgroup = tile of x's rows · parts + part.
struct ColumnParts {
  struct Weight {
    std::string buffer;
    std::int64_t first = 0, count = 0;  // of the parts: those that read it
    std::int64_t rows_each = 0;         // stored rows that one part reads, from (part − first) · rows_each on
  };
  std::int64_t parts = 0;  // 0: nothing is known
  std::vector<Weight> weights = {};
};

/// A table of which a kernel reads one entry for each id, and no other.
struct RowLookup {
  std::string table = {}, ids = {};  // buffers; empty: there is none
  std::int64_t entries = 0, entry_elements = 0;
};

/// What a kernel moves and computes at most.
struct Work {
  double bytes = 0, flops = 0;
};

struct TemplateKernel {
  kir::Kernel kernel;
  std::vector<GridFactor> grid;
  std::string reason;  // why this algorithm and schedule: for plan.txt
  ColumnParts columns = {};
  RowLookup lookup = {};
  std::optional<Work> work = {};  // where it is not what the nodes say that the kernel computes
};

/// How an element of that dtype lies in memory: f16 -> Kind::f16, bool -> b1, 8-bit floats as the bytes that they are.
/// Errors: unsupported for block formats and packed elements.
kir::Kind memory_kind(DType dtype);

/// Below every number but -infinity: where maxima start. Finite, so that no difference of two is NaN.
inline constexpr double kLowest = std::numeric_limits<float>::lowest();

inline kir::Val f32_of(kir::Val v) { return v.kind() == kir::Kind::f32 ? v : convert(v, kir::Kind::f32); }

}  // namespace openinfer::kernels
