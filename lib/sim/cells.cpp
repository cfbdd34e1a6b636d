// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/cells.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "formats/opnf/panel16.h"
#include "lib/base/fail.h"

namespace openinfer {
namespace {

// Of a transposed weight out of the file at once: it is nowhere twice while it is turned, so that a budget need not
// know where that happens.
constexpr std::int64_t kTurnedBytes = 4 << 10;

/// (…, R, C) stored as (…, C, R) turned to its logical order; bytes(first, count) are those stored elements.
template <class Bytes>
Tensor turn(const StoredTensor& t, std::int64_t piece, Bytes bytes) {
  const std::int64_t rows = t.shape[t.shape.size() - 2], columns = t.shape.back();
  const auto width = static_cast<std::size_t>(info(t.dtype).block_bytes);
  Tensor to(t.dtype, t.shape, Location{});
  std::byte* out = to.mutable_bytes().data();
  for (std::int64_t first = 0, count = 0; first < to.count(); first += count) {
    count = std::min(piece, to.count() - first);
    const std::byte* from = bytes(first, count);
    std::int64_t r = first % rows, c = first / rows % columns, matrix = first / rows / columns * rows * columns;
    for (std::int64_t k = 0; k < count; ++k, from += width) {
      std::memcpy(out + static_cast<std::size_t>(matrix + r * columns + c) * width, from, width);
      if (++r < rows) continue;
      r = 0;
      if (++c < columns) continue;
      c = 0, matrix += rows * columns;
    }
  }
  return to;
}

}  // namespace

void unpack_panels(DType dtype, std::int64_t row_bytes, const std::byte* panels, std::int64_t first, std::int64_t count,
                   std::byte* rows) {
  const opnf::DTypeInfo& row = *opnf::find_dtype(static_cast<std::uint8_t>(dtype));
  opnf::from_panel16(row, static_cast<std::uint64_t>(row_bytes) / row.block_bytes, panels,
                     static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(count), rows);
}

Cells::Cells(std::shared_ptr<const Program> program, bool from_file)
    : program_(std::move(program)),
      from_file_(from_file),
      cells_(program_->g().values.size()),
      turned_(program_->weights.tensors().size()) {}

void Cells::set(ValueId v, Tensor tensor) {
  Cell& cell = cells_[v];
  cell.view = tensor.view();
  cell.owner = std::move(tensor);
  cell.owned = true;
  cell.weight = Cell::kNoWeight;
}

void Cells::set_weight(ValueId v, std::uint32_t weight) {
  clear(v);
  cells_[v].weight = weight;
}

void Cells::clear_all() {
  for (Cell& cell : cells_) cell = Cell{};
}

/// Asked for at each use, not kept: the package looks whether its file was cut meanwhile.
const std::byte* Cells::stored_bytes(std::uint32_t weight) const {
  const StoredTensor& t = program_->weights.tensors()[weight];
  const auto bytes = program_->model->bytes(t.key);
  if (bytes.size() < static_cast<std::size_t>(t.size_bytes))
    fail(ErrorCode::corrupt_package, "[model] \"{}\" has {} bytes; its shape needs {}", t.key, bytes.size(),
         t.size_bytes);
  return bytes.data();
}

void Cells::read(std::uint32_t weight, std::int64_t offset, std::span<std::byte> to) const {
  program_->model->read(program_->weights.tensors()[weight].key, static_cast<std::uint64_t>(offset), to);
}

/// Are its bytes other than dense ones? Errors: unsupported where nothing makes them dense.
bool Cells::is_turned(const StoredTensor& t) {
  const bool transposed = t.transposed && t.shape.size() >= 2;
  if (!transposed && !t.panels) return false;
  if (info(t.dtype).block_size != 1)  // no operator takes blocks other than through stored_rows
    fail(ErrorCode::unsupported, "[model] \"{}\" is stored as {}{} and wanted dense; cast it to f32 first", t.key,
         transposed ? "transposed " : "panels of ", name(t.dtype));
  return true;
}

Tensor Cells::weight_from_file(std::uint32_t weight) const {
  const StoredTensor& t = program_->weights.tensors()[weight];
  if (!is_turned(t)) {
    Tensor tensor(t.dtype, t.shape, Location{});
    read(weight, 0, tensor.mutable_bytes());
    return tensor;
  }
  const std::int64_t width = info(t.dtype).block_bytes;
  std::array<std::byte, kTurnedBytes> piece{};
  return turn(t, kTurnedBytes / width, [&](std::int64_t first, std::int64_t count) {
    read(weight, first * width, std::span(piece).first(static_cast<std::size_t>(count * width)));
    return piece.data();
  });
}

void Cells::make_dense(Cell& cell) {
  if (cell.weight == Cell::kNoWeight || cell.view.data) return;
  if (!from_file_) {
    cell.view = dense_weight(cell.weight);
    return;
  }
  cell.owner = weight_from_file(cell.weight);
  cell.view = cell.owner.view();
  cell.owned = true;
}

TensorView Cells::dense_weight(std::uint32_t weight) {
  const StoredTensor& t = program_->weights.tensors()[weight];
  if (!is_turned(t)) return {t.dtype, t.shape, stored_bytes(weight), false};
  std::optional<Tensor>& turned = turned_[weight];
  const std::byte* stored = turned ? nullptr : stored_bytes(weight);
  if (!turned) turned = turn(t, element_count(t.shape), [&](std::int64_t, std::int64_t) { return stored; });
  return turned->view();
}

OperandBytes Cells::operand(ValueId v, bool stored) {
  Cell& cell = cells_[v];
  OperandBytes operand;
  operand.present = true;
  operand.stored = stored;
  if (cell.weight != Cell::kNoWeight) {
    const StoredTensor& t = program_->weights.tensors()[cell.weight];
    operand.counts = true;
    if (stored) {
      operand.weight = cell.weight;
      if (!from_file_) operand.data = stored_bytes(cell.weight);
      operand.dtype = t.dtype;
      operand.shape = &t.shape;
      operand.transposed = t.transposed;
      operand.rows = t.rows;
      operand.row_bytes = t.row_bytes;
      operand.panels = t.panels;
      return operand;
    }
    make_dense(cell);
    bytes_read.fetch_add(static_cast<std::uint64_t>(t.size_bytes), std::memory_order_relaxed);
  }
  operand.data = cell.view.data;
  operand.dtype = cell.view.dtype;
  operand.shape = &cell.view.shape;
  if (stored) {
    const std::int64_t width = cell.view.shape.empty() ? 1 : cell.view.shape.back();
    operand.rows = width == 0 ? 0 : cell.view.count() / width;
    operand.row_bytes = width % info(cell.view.dtype).block_size == 0 ? size_bytes(cell.view.dtype, width) : 0;
  }
  return operand;
}

TensorView Cells::dense(ValueId v) {
  Cell& cell = cells_[v];
  make_dense(cell);
  return cell.view;
}

Tensor Cells::tensor(ValueId v) {
  const TensorView view = dense(v);
  const Tensor& owner = cells_[v].owner;
  const bool whole = cells_[v].owned && owner.bytes().data() == view.data && owner.shape() == view.shape;
  if (whole && owner.dtype() == view.dtype) return owner;
  Tensor copy(view.dtype, view.shape, Location{});
  const auto to = copy.mutable_bytes();
  if (!to.empty()) std::memcpy(to.data(), view.data, to.size());
  return copy;
}

}  // namespace openinfer
