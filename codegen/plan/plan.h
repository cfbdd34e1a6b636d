// SPDX-License-Identifier: Apache-2.0
// The plan: what a device will do for one graph, as plain data. Made by make_plan (lower.h), completed by the passes of
// pipeline.h (memory), printed by print.h, and read by the emitters and in-process executors. Nothing is decided behind
// it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "codegen/kernel_ir/ir.h"
#include "codegen/kernels/block_code.h"
#include "codegen/plan/size.h"
#include "openinfer/dtype.h"
#include "openinfer/index.h"
#include "openinfer/location.h"
#include "openinfer/tensor.h"

namespace openinfer::plan {

enum class Role : std::uint8_t {
  weight,    // package tensors, one or a family
  constant,  // bytes of the graph
  input,
  output,
  state,    // kept between steps, zero at first
  scratch,  // a place in the arena, alive for part of a step
};

/// Memory that kernels are bound to. Elements are row-major in `shape`'s order; a weight's are as stored.
struct Buffer {
  std::string name;  // unique in the plan, an identifier: how source calls it
  Role role = Role::scratch;
  DType dtype = DType::f32;
  Shape shape = {};      // of weights: as stored, blocks along the last dimension
  std::string key = {};  // weight: "Wq.{}"; others: the graph's name
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges = {};  // weight: of each {}
  kernels::Layout layout = kernels::Layout::rows;                  // weight: as kernels read it
  std::string why_layout = {};                                     // where there was a choice
  int constant = -1;                                               // GraphData::constants
  bool resident = false;       // weight, under a budget: read when the program opens, and kept
  std::int64_t max_bytes = 0;  // with every symbol at its upper bound; of a family the largest member
  std::int64_t offset = -1;    // scratch: in the arena, set by the memory pass
  int entry = -1;              // scratch: its entry point
  int first = 0, last = 0;     // scratch: dispatch numbers between which it is alive, inclusive
};

/// What a buffer of a kernel is bound to.
struct Operand {
  int buffer = -1;
  std::vector<Dim> member = {};  // of a family: one for each {}, affine in loop indices
  Size offset = Size(0);         // elements from the start
  bool operator==(const Operand&) const = default;
};

/// What products multiply: 8-bit blocks of activations by bytes, or both operands rounded to bf16, or neither.
enum class Factors : std::uint8_t { f32, int8, bf16 };

/// Where a dispatch came from and what it costs with every symbol at its bound.
struct Origin {
  std::vector<std::string> nodes = {};  // "q = rope": values that it computes
  std::vector<Location> at = {};        // of each node: the user's line, perhaps unknown
  std::vector<Location> lines = {};     // those that are known, each once
  double bytes = 0;                     // read and written: of tables and caches the rows that are looked at
  double flops = 0;
  Factors factors = Factors::f32;
  std::string reason = {};  // why this kernel
};

struct Kernel {
  kir::Kernel code;  // code.name is unique in the plan
};

struct GridFactor {
  Size size;
  std::int64_t divide = 1;
};

/// A value that a dispatch leaves in memory. What a kv_write leaves in a state has its token's id.
struct Result {
  std::string value;      // the graph's name of it: "q", "kv.keys"
  ValueId id = kNoValue;  // in the graph that was lowered
  Operand place;
  Size elements;      // of the place
  bool int8 = false;  // in 8-bit blocks (kernels/int8_rows.h), a place of 32-bit words
};

/// kernels::ColumnParts of a dispatch: its weights are operands.
struct ColumnParts {
  struct Weight {
    std::size_t operand = 0;
    std::int64_t first = 0, count = 0, rows_each = 0;
    bool operator==(const Weight&) const = default;
  };
  std::int64_t parts = 0;
  std::vector<Weight> weights = {};
  bool operator==(const ColumnParts&) const = default;
};
/// kernels::RowLookup: no operand is −1.
struct RowLookup {
  int table = -1, ids = -1;  // operands
  std::int64_t entries = 0, entry_elements = 0;
  bool operator==(const RowLookup&) const = default;
};

/// How a dispatch's weights come into memory under a budget (budget.h).
struct Streaming {
  ColumnParts tiles = {};  // read for it, `at_once` parts at a time; of one that has no parts the whole is one
  std::int64_t at_once = 0;
  std::int64_t tile_bytes = 0;  // of the largest tile
  RowLookup lookup = {};        // of a table the entries that are looked up
};

struct Dispatch {
  /// Kernels by variant: families whose members differ in dtype take a kernel for each signature.
  std::vector<int> kernels = {};
  /// With several: variant of each turn of the loops around, the innermost turning fastest.
  std::vector<std::uint8_t> variant = {};
  std::vector<Operand> operands = {};  // in the order of the kernel's global buffers
  std::vector<Size> params = {};       // in the order of the kernel's params
  std::vector<GridFactor> grid = {};   // workgroups = Π ceil(size / divide)
  std::vector<Result> results = {};
  Origin origin = {};
  ColumnParts columns = {};  // parts = 0: none are known
  RowLookup lookup = {};
  Streaming streaming = {};
};

struct Copy {
  Operand from, to;
  Size elements;
  Origin origin = {};
};
/// The two buffers change places: a loop's carried value and the one that the next turn reads.
struct Swap {
  int a = -1, b = -1;
};

struct Loop;
struct Branch;
using Step = std::variant<Dispatch, Copy, Swap, Loop, Branch>;

struct Loop {
  std::string index;  // the symbol by which sizes and members refer to it
  std::int64_t from = 0, to = 0;
  std::vector<Step> body;  // no initialiser: Step is not complete here
};
struct Branch {
  Operand predicate;  // one bool
  std::vector<Step> then, otherwise;
};

struct Symbol {
  std::string name;
  std::int64_t min = 0, max = 0;
};

/// One way in: "decode" with N = 1, "prefill" with N up to 512; a graph without such symbols has "step".
struct EntryPoint {
  std::string name;
  std::vector<Symbol> symbols = {};  // a fixed one has min = max
  std::vector<Step> steps = {};
  std::int64_t arena_bytes = 0;
  /// Products that multiply 8-bit blocks of their activations, and those, and attention, that round operands to bf16:
  /// by what they compute, in the graph that was lowered.
  std::set<ValueId> int8_products = {}, bf16_products = {};
  /// Of that attention, what rounds queries and keys once, not into two parts.
  std::set<ValueId> bf16_scores = {};
};

/// A result that is looked at right behind its dispatch. Of a value that several dispatches write: behind the last.
struct Tap {
  Result result;
  int entry = 0;
  int dispatch = 0;                        // counted as in Buffer::first
  std::vector<int> kernels = {};           // of the dispatch, by variant
  std::vector<std::uint8_t> variant = {};  // as Dispatch::variant
  std::vector<int> earlier = {};           // kernels whose work is not seen before: of dispatches without a tap
};

/// What memory a plan takes (budget.h), where it has to keep to some.
struct MemoryBudget {
  std::int64_t bytes = 0;  // 0: no budget
  std::int64_t states = 0, values = 0, resident = 0, looked_up = 0;
  int buffers = 0;  // for tiles of weights: one is computed with while the others are read
  std::int64_t buffer_bytes = 0;
  std::int64_t total() const { return states + values + resident + looked_up + buffers * buffer_bytes; }
};

struct Plan {
  std::string name;                                    // target and namespace of what is emitted
  std::vector<std::string> inputs = {}, outputs = {};  // names of the graph, in order
  std::vector<Buffer> buffers = {};
  std::vector<Kernel> kernels = {};
  std::vector<EntryPoint> entries = {};
  bool tapped = false;  // does the taps pass add taps?
  std::vector<Tap> taps = {};
  std::vector<std::pair<std::string, Tensor>> constants = {};  // by Buffer::constant
  MemoryBudget budget = {};
  std::vector<std::string> notes = {};  // fused away, rewritten for lack of a feature, …
  /// Notes that whoever asks for the plan may want to hear at once: numerics that change nothing.
  std::vector<std::string> remarks = {};
};

}  // namespace openinfer::plan
