// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/stored.h"

#include <algorithm>
#include <vector>

#include "lib/base/dequantize.h"

namespace openinfer {

StoredMatrix::StoredMatrix(const TensorView& view) : dtype(view.dtype) {
  Extents stored = view.shape;
  if (view.transposed) std::swap(stored[stored.size() - 1], stored[stored.size() - 2]);
  if (!stored.empty()) {
    length = stored.back();
    stored.pop_back();
  }
  rows = element_count(stored);
  row_bytes = size_bytes(dtype, length);
}

template <class T>
void decode_rows(const OpRun& run, std::size_t operand, const StoredMatrix& m, std::int64_t first, std::int64_t count,
                 T* to, std::int64_t stride) {
  if (count == 0 || m.length == 0) return;
  const std::byte* bytes = run.stored_rows(operand, first, count);
  if (stride == m.length) return dequantize(m.dtype, bytes, to, count * m.length);
  for (std::int64_t r = 0; r < count; ++r) dequantize(m.dtype, bytes + r * m.row_bytes, to + r * stride, m.length);
}

template <class T>
void decode_columns(const OpRun& run, std::size_t operand, const StoredMatrix& m, std::int64_t first,
                    std::int64_t count, std::int64_t begin, std::int64_t end, T* to, std::int64_t stride) {
  const DTypeInfo& row = info(m.dtype);
  const std::int64_t from = begin / row.block_size * row.block_size;
  const std::int64_t until = std::min((end + row.block_size - 1) / row.block_size * row.block_size, m.length);
  std::vector<T> piece(static_cast<std::size_t>(until - from));
  const std::byte* bytes = nullptr;
  for (std::int64_t r = 0; r < count; ++r, bytes += m.row_bytes) {
    if (r % kRowsAtOnce == 0)
      bytes = run.stored_rows(operand, first + r, std::min(kRowsAtOnce, count - r)) +
              from / row.block_size * row.block_bytes;
    dequantize(m.dtype, bytes, piece.data(), until - from);
    for (std::int64_t e = begin; e < end; ++e) to[(e - begin) * stride + r] = piece[static_cast<std::size_t>(e - from)];
  }
}

template void decode_rows(const OpRun&, std::size_t, const StoredMatrix&, std::int64_t, std::int64_t, float*,
                          std::int64_t);
template void decode_rows(const OpRun&, std::size_t, const StoredMatrix&, std::int64_t, std::int64_t, double*,
                          std::int64_t);
template void decode_columns(const OpRun&, std::size_t, const StoredMatrix&, std::int64_t, std::int64_t, std::int64_t,
                             std::int64_t, float*, std::int64_t);
template void decode_columns(const OpRun&, std::size_t, const StoredMatrix&, std::int64_t, std::int64_t, std::int64_t,
                             std::int64_t, double*, std::int64_t);

}  // namespace openinfer
