// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/nonfinite.h"

#include <cmath>

namespace openinfer {
namespace {

template <class T>
std::optional<NonFinite> scan(const TensorView& tensor) {
  const T* values = tensor.as<T>();
  const std::int64_t n = tensor.count();
  std::int64_t first = -1, count = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (std::isfinite(static_cast<double>(values[i]))) continue;
    if (count++ == 0) first = i;
  }
  if (count == 0) return std::nullopt;
  const auto value = static_cast<double>(values[first]);
  NonFinite found{std::isnan(value) ? "NaN" : value > 0 ? "inf" : "-inf", Extents(tensor.shape.size()), count};
  for (std::size_t d = tensor.shape.size(); d-- > 0; first /= tensor.shape[d]) found.place[d] = first % tensor.shape[d];
  return found;
}

}  // namespace

std::optional<NonFinite> find_nonfinite(const TensorView& tensor) {
  if (tensor.dtype == DType::f32) return scan<float>(tensor);
  if (tensor.dtype == DType::f64) return scan<double>(tensor);
  if (tensor.dtype == DType::f16) return scan<Half>(tensor);
  if (tensor.dtype == DType::bf16) return scan<BFloat16>(tensor);
  return std::nullopt;
}

}  // namespace openinfer
