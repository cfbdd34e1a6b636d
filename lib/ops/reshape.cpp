// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "lib/base/size_product.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/move.h"
#include "lib/ops/shapes.h"
#include "lib/ops/workspace.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// What `shape` must have at its -1 so that the sizes agree; nothing if no dimension does for certain.
std::optional<Dim> missing(const Shape& x, Shape shape, std::size_t at) {
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(at));
  SizeProduct whole = size_product(x);
  const SizeProduct rest = size_product(shape);
  if (rest.number <= 0 || whole.number % rest.number != 0) return std::nullopt;
  if (whole.number == 0) return Dim(0);
  for (const Dim& d : rest.symbols) {
    const auto found = std::find(whole.symbols.begin(), whole.symbols.end(), d);
    if (found == whole.symbols.end()) return std::nullopt;
    whole.symbols.erase(found);
  }
  if (whole.symbols.size() > 1) return std::nullopt;  // a product of symbols is no dimension
  return (whole.symbols.empty() ? Dim(1) : whole.symbols.front()) * (whole.number / rest.number);
}

std::vector<TensorType> infer_reshape(const InferContext& c) {
  const TensorType& x = c.type(0);
  Shape shape = c.dims("shape");
  const auto open = std::find(shape.begin(), shape.end(), Dim(-1));
  std::optional<Dim> found;
  if (open != shape.end() && std::count(shape.begin(), shape.end(), Dim(-1)) == 1)
    found = missing(x.shape, shape, static_cast<std::size_t>(open - shape.begin()));
  if (found) *open = *found;
  if ((open != shape.end() && !found) || !same_size(x.shape, shape))  // [C1]
    c.fail(ErrorCode::shape_mismatch, fmt::format("{} {} cannot be shown to have the size of {}", c.describe(0),
                                                  to_string(x.shape), to_string(c.dims("shape"))));
  check_extents(c, shape);  // [C1]
  return {{x.dtype, shape}};
}

void reference_reshape(OpRun& run) {
  const TensorView x = run.in(0);
  const auto bytes = static_cast<std::size_t>(size_bytes(x.dtype, x.count()));
  if (bytes > 0) std::memcpy(run.out(0).data, x.data, bytes);
}

}  // namespace

const OpDef& reshape_op() {
  static const OpDef op = {.name = "reshape",
                           .operands = {{.name = "x"}},
                           .attributes = {{"shape", AttributeKind::dims}},
                           .traits = {.view = true, .in_order = true},
                           .infer = infer_reshape,
                           .reference = reference_reshape,
                           .lower = lower_to_kernel,
                           .workspace = no_workspace};
  return op;
}

Value reshape(const In& x, Shape shape) { return call(reshape_op(), {x}, {{"shape", std::move(shape)}}); }
Pipe reshape(Shape shape) { return pipe(reshape_op(), {}, {{"shape", std::move(shape)}}); }

}  // namespace openinfer
