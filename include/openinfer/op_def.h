// SPDX-License-Identifier: Apache-2.0
// What is known of an operator, in one place. The library's own operators (lib/ops) and yours are the same kind of
// value; tests/ops/custom_op_test.cpp defines one from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "openinfer/error.h"
#include "openinfer/graph.h"
#include "openinfer/scalar_expr.h"

namespace openinfer {

/// One operand in the op's signature. Positional ones come first, keyword ones are written `mask=m` in the text.
struct OperandSpec {
  enum class Presence { required, optional, variadic };  // variadic: the last positional one, any number ≥ 1

  std::string_view name;
  Presence presence = Presence::required;
  bool keyword = false;
  /// Takes a package tensor as it is stored: block formats, sub-byte integers, transposed bytes. Operands without
  /// it are dense and row-major when the reference sees them, and block formats are refused before infer.
  bool stored = false;
  /// A Literal here takes its dtype from the first operand that shares it (select's condition does not).
  bool shares_dtype = true;
};

enum class AttributeKind { boolean, integer, number, string, dtype, dim, dims };

struct AttributeSpec {
  std::string_view name;
  AttributeKind kind;
  std::optional<Attribute> fallback = {};  // the value when absent; none: the attribute is required
};

/// What a state operand does.
enum class StateUse { none, read, write };

struct Traits {
  bool elementwise = false;  // result[i] depends on operands[i] alone
  bool reduction = false;
  bool view = false;      // moves or renames elements only
  bool in_order = false;  // a view whose elements are its operand's in their order: it may lie where that lies
  bool commutative = false;
  StateUse state = StateUse::none;
};

/// The operand types and attributes of one node, as `infer` sees them.
class InferContext {
 public:
  virtual ~InferContext() = default;
  virtual const OpDef& op() const = 0;
  virtual std::size_t operand_count() const = 0;  // as given, absent optional ones included
  virtual bool has(std::size_t operand) const = 0;
  virtual const TensorType& type(std::size_t operand) const = 0;
  /// How errors call the operand: "@Wdown.{l}", "'x'".
  virtual std::string describe(std::size_t operand) const = 0;
  virtual const Attributes& attributes() const = 0;
  virtual const StateSpec& state() const = 0;  // of the state operand
  virtual Location at() const = 0;
  /// Bounds of a dimension under the graph's declarations.
  virtual std::pair<std::int64_t, std::int64_t> bounds(const Dim& dim) const = 0;

  bool flag(std::string_view name) const { return std::get<bool>(attribute(name)); }
  std::int64_t integer(std::string_view name) const { return std::get<std::int64_t>(attribute(name)); }
  double number(std::string_view name) const { return std::get<double>(attribute(name)); }
  DType dtype(std::string_view name) const { return std::get<DType>(attribute(name)); }
  const Dim& dim(std::string_view name) const { return std::get<Dim>(attribute(name)); }
  const Shape& dims(std::string_view name) const { return std::get<Shape>(attribute(name)); }
  const std::string& string(std::string_view name) const { return std::get<std::string>(attribute(name)); }

  /// Throws "[op] message at the user's line".
  [[noreturn]] void fail(ErrorCode code, const std::string& message) const;

 private:
  const Attribute& attribute(std::string_view name) const;  // given or fallback
};

/// One run of a node: concrete operands in, results out. What a reference implementation works with.
class OpRun {
 public:
  virtual ~OpRun() = default;
  virtual const OpDef& op() const = 0;
  virtual std::size_t operand_count() const = 0;
  virtual bool has(std::size_t operand) const = 0;
  /// dtype and logical shape; `data` is null for a `stored` operand: read that through stored_rows.
  virtual TensorView in(std::size_t operand) const = 0;
  /// Stored rows [first, first + count) of a `stored` operand: its bytes as a matrix (all leading stored dimensions,
  /// last stored dimension). Valid until the next call for that operand on the same thread. Thread-safe.
  virtual const std::byte* stored_rows(std::size_t operand, std::int64_t first, std::int64_t count) const = 0;
  /// Result i, allocated with its inferred type; contents undefined.
  virtual TensorSpan out(std::size_t result) = 0;
  /// Instead of out(): the result is this view of the state's memory.
  virtual void set_view(std::size_t result, TensorView view) = 0;
  /// The state operand's tensors: key and value cache, or the one tensor.
  virtual std::span<TensorSpan> state() = 0;
  virtual const Attributes& attributes() const = 0;
  virtual std::int64_t value(const Dim& dim) const = 0;  // under the session's binding
  /// f(begin, end) over disjoint ranges that cover [0, n); any number of threads. Results must not depend on how
  /// the ranges are cut. An exception of f is thrown again here.
  virtual void parallel_for(std::int64_t n, std::int64_t grain,
                            const std::function<void(std::int64_t, std::int64_t)>& f) const = 0;
  virtual Location at() const = 0;

  bool flag(std::string_view name) const { return std::get<bool>(attribute(name)); }
  std::int64_t integer(std::string_view name) const { return std::get<std::int64_t>(attribute(name)); }
  double number(std::string_view name) const { return std::get<double>(attribute(name)); }
  DType dtype(std::string_view name) const { return std::get<DType>(attribute(name)); }
  const Dim& dim(std::string_view name) const { return std::get<Dim>(attribute(name)); }
  const Shape& dims(std::string_view name) const { return std::get<Shape>(attribute(name)); }
  const std::string& string(std::string_view name) const { return std::get<std::string>(attribute(name)); }

  /// For data that only a run can see (an id beyond the table): throws "[op] message at the user's line".
  [[noreturn]] void fail(ErrorCode code, const std::string& message) const;

 private:
  const Attribute& attribute(std::string_view name) const;
};

/// Bytes moved and floating-point operations of one run.
struct Cost {
  double bytes = 0;
  double flops = 0;
};

/// Bytes that one run of a reference implementation takes besides its operands and results, at most.
struct Workspace {
  std::int64_t shared_bytes = 0;       // once
  std::int64_t per_thread_bytes = 0;   // by each thread of parallel_for
  std::int64_t stored_rows_bytes = 0;  // asked of stored_rows at once
};

using InferFn = std::vector<TensorType> (*)(const InferContext&);
using ReferenceFn = void (*)(OpRun&);
/// The run has types, attributes and sizes, and no data.
using WorkspaceFn = Workspace (*)(const OpRun&);
using CostFn = Cost (*)(const InferContext&, const std::function<std::int64_t(const Dim&)>& value);
/// Vector-Jacobian product as graph: gradients of the results in, gradients of the operands out (empty: none).
using GradientFn = std::vector<Value> (*)(const std::vector<Value>& operands, const std::vector<Value>& results,
                                          const std::vector<Value>& result_gradients, const Attributes&);
/// The same computation in other ops, with the same bits. An operand is a Value; empty: not for these operands, the
/// node stays as it is. Ops with a state are not decomposed.
using DecomposeFn = std::vector<Value> (*)(const std::vector<OptionalIn>& operands, const Attributes&);
/// An elementwise op: its result (of compute_kind of the result's dtype) from its operands (likewise). The caller loads
/// and stores elements. Integers are elements of the result's dtype: narrow() those of 8 and 16 bits after arithmetic.
/// f16 and bf16 may be more exact than elements until they are stored.
using ScalarFn = std::function<ScalarExpr(std::span<const ScalarExpr>)>;
/// Any other: the template in codegen/kernels that builds its kernel, by name.
struct KernelRequest {
  std::string_view kernel;
};
using Lowering = std::variant<ScalarFn, KernelRequest>;
using LowerFn = Lowering (*)(const InferContext&);

struct OpDef {
  std::string_view name;
  std::vector<OperandSpec> operands = {};
  std::vector<AttributeSpec> attributes = {};
  Traits traits = {};
  InferFn infer = nullptr;          // operand types + attributes -> result types; throws Error
  ReferenceFn reference = nullptr;  // naive loops: the meaning of the op
  GradientFn gradient = nullptr;    // null: not differentiable
  DecomposeFn decompose = nullptr;  // null: primitive
  LowerFn lower = nullptr;          // null: must decompose, or runs only in the simulator
  CostFn cost = nullptr;            // null: operands read once, results written once, no FLOPs
  /// For sessions with a memory budget. null: an elementwise op takes nothing of size; of any other, copies of all that
  /// is dense in 8 bytes an element and whole stored operands in each thread are reckoned with.
  WorkspaceFn workspace = nullptr;
  std::string_view symbol = {};                 // infix spelling in the text: "+"
  std::vector<std::string_view> variants = {};  // kernel variants that a hint may name
};

/// Operators by name. Immutable once handed to a parser; a user's set starts from the library's.
class OpSet {
 public:
  /// The library's own (lib/ops/list.def).
  static const OpSet& builtin();

  OpSet() = default;
  explicit OpSet(std::span<const OpDef* const> ops);
  /// Errors: invalid_argument if the name is taken. `op` must outlive every graph that uses it.
  void add(const OpDef& op);
  const OpDef* find(std::string_view name) const;
  const OpDef* find_symbol(std::string_view symbol) const;
  std::span<const OpDef* const> all() const { return ops_; }  // sorted by name

 private:
  std::vector<const OpDef*> ops_;
};

}  // namespace openinfer
