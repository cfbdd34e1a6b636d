// SPDX-License-Identifier: Apache-2.0
// Where a step keeps its values: one cell for each value of the graph. Regions never run inside themselves, so one cell
// is enough; a loop's turn writes over the last one's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lib/sim/program.h"

namespace openinfer {

struct Cell {
  static constexpr std::uint32_t kNoWeight = ~std::uint32_t{0};

  TensorView view;  // data null: no value, or a weight that nobody has looked at
  Tensor owner;     // keeps view's bytes; not for views of states and of the package
  bool owned = false;
  std::uint32_t weight = kNoWeight;  // a handle: the tensor's number in Program::weights
};

/// What a node reads: a tensor's type and bytes, as rows for operands that take it as it is stored.
struct OperandBytes {
  bool present = false;
  bool stored = false;  // read through stored_rows
  DType dtype = DType::f32;
  const Extents* shape = nullptr;
  bool transposed = false;
  const std::byte* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t row_bytes = 0;              // 0: only all rows at once
  bool counts = false;                     // bytes of the package
  bool panels = false;                     // data is panels of rows
  std::uint32_t weight = Cell::kNoWeight;  // the tensor to read rows of, where data is null
};

/// Stored rows [first, first + count) of a weight whose bytes are panels.
void unpack_panels(DType dtype, std::int64_t row_bytes, const std::byte* panels, std::int64_t first, std::int64_t count,
                   std::byte* rows);

class Cells {
 public:
  /// `from_file`: bytes of weights are read when they are needed and go with their cells; nothing of the package's
  /// mapping is touched.
  Cells(std::shared_ptr<const Program> program, bool from_file);

  Cell& operator[](ValueId v) { return cells_[v]; }
  void set(ValueId v, Tensor tensor);
  void set_weight(ValueId v, std::uint32_t weight);
  void clear(ValueId v) { cells_[v] = Cell{}; }
  void clear_all();

  /// The value as an operand: the first time, this is where a weight's bytes are looked up.
  OperandBytes operand(ValueId v, bool stored);
  /// The value row-major and of its own type, whatever it is made of. Errors: unsupported for a block format
  /// in another order.
  TensorView dense(ValueId v);
  /// The same as a tensor that outlives the step.
  Tensor tensor(ValueId v);
  /// Stored bytes of a weight out of the file, from any thread.
  void read(std::uint32_t weight, std::int64_t offset, std::span<std::byte> to) const;
  std::int64_t stored_size(std::uint32_t weight) const { return program_->weights.tensors()[weight].size_bytes; }
  /// Bytes of package tensors that were asked for; counted by nodes' threads.
  std::atomic<std::uint64_t> bytes_read{0};

 private:
  static bool is_turned(const StoredTensor& t);
  const std::byte* stored_bytes(std::uint32_t weight) const;
  TensorView dense_weight(std::uint32_t weight);
  Tensor weight_from_file(std::uint32_t weight) const;
  void make_dense(Cell& cell);

  std::shared_ptr<const Program> program_;
  const bool from_file_;
  std::vector<Cell> cells_;
  std::vector<std::optional<Tensor>> turned_;  // by weight: the dense form of a transposed one that somebody needed
};

}  // namespace openinfer
