// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/move.h"

#include <algorithm>
#include <cstring>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

template <class T>
void copy_run(const T* from, std::int64_t step, T* to, std::int64_t count) {
  if (step == 1)
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
  else
    for (std::int64_t k = 0; k < count; ++k) to[k] = from[k * step];
}

/// Rows of the result's last dimension, each a run of equal steps through x.
template <class T>
void copy_rows(const OpRun& run, const TensorView& x, std::int64_t first, const std::vector<std::int64_t>& steps,
               const TensorSpan& out) {
  const std::int64_t inner = out.shape.empty() ? 1 : out.shape.back();
  const std::int64_t step = steps.empty() ? 1 : steps.back();
  const std::int64_t rows = inner == 0 ? 0 : out.count() / inner;
  run.parallel_for(rows, 1 + 16384 / (inner + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::int64_t from = first, rest = r;
      for (std::size_t d = out.shape.size() - std::min<std::size_t>(1, out.shape.size()); d-- > 0;) {
        from += rest % out.shape[d] * steps[d];
        rest /= out.shape[d];
      }
      copy_run(x.as<T>() + from, step, out.as<T>() + r * inner, inner);
    }
  });
}

}  // namespace

void copy_elements(const OpRun& run, const TensorView& x, std::int64_t first, const std::vector<std::int64_t>& steps,
                   const TensorSpan& out) {
  switch (element_bytes(x.dtype)) {
    case 1: return copy_rows<std::uint8_t>(run, x, first, steps, out);
    case 2: return copy_rows<std::uint16_t>(run, x, first, steps, out);
    case 4: return copy_rows<std::uint32_t>(run, x, first, steps, out);
    case 8: return copy_rows<std::uint64_t>(run, x, first, steps, out);
  }
  fail(ErrorCode::internal, "cannot move elements of {}", name(x.dtype));
}

std::vector<std::int64_t> dense_steps(const Extents& shape) {
  std::vector<std::int64_t> steps(shape.size(), 1);
  if (element_count(shape) == 0) return steps;  // nobody takes them, and they may be beyond every integer
  for (std::size_t d = shape.size(); d-- > 1;) steps[d - 1] = steps[d] * shape[d];
  return steps;
}

}  // namespace openinfer
