// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/convert.h"

#include <cstring>

#include "openinfer/tensor.h"

namespace openinfer {

void convert_elements(DType from_dtype, const std::byte* from, DType to_dtype, std::byte* to, std::int64_t count) {
  if (count == 0) return;
  if (from_dtype == to_dtype) {
    std::memcpy(to, from, static_cast<std::size_t>(size_bytes(to_dtype, count)));
    return;
  }
  dispatch<kPlain>(from_dtype, [&](auto from_tag) {
    using From = typename decltype(from_tag)::Type;
    const auto each = [&](auto to_tag) {
      using To = typename decltype(to_tag)::Type;
      const auto* x = reinterpret_cast<const From*>(from);
      auto* y = reinterpret_cast<To*>(to);
      for (std::int64_t i = 0; i < count; ++i) y[i] = convert<To>(x[i]);
    };
    if (to_dtype == DType::f8e4m3) return each(Tag<Float8E4M3>{});
    if (to_dtype == DType::f8e5m2) return each(Tag<Float8E5M2>{});
    dispatch<kPlain>(to_dtype, each);
  });
}

}  // namespace openinfer
