// SPDX-License-Identifier: Apache-2.0
// The graph language: a lazy, symbolic, immutable graph and the builder that a C++ program describes it with.
// Building runs nothing and reads no tensor data. Operators are free functions in ops.h.
//
//   Graph g = graph(model, [&](GraphBuilder& b) {
//     auto tok = b.input("tok", i32, {b.dim("N", 1, 512)});
//     b.output("logits", matmul(gather(model["tok_embeddings"], tok), model["lm_head"]));
//   });
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "openinfer/dim.h"
#include "openinfer/index.h"
#include "openinfer/location.h"
#include "openinfer/model.h"
#include "openinfer/state.h"
#include "openinfer/tensor.h"

namespace openinfer {

struct GraphData;  // the finished graph: lib/graph/ir.h
struct OpDef;      // what is known of an operator: op_def.h
class OpSet;       // the operators that a text may name: op_def.h

/// Names and optimisation hints of one node: `sdpa(q, k, v) % hints{.fuse = true}`.
/// % binds tighter than + and |: `x | silu() % h` marks silu, `a + b % h` marks b; write `(a + b) % h`.
/// Errors: invalid_argument for an unknown variant of the op, tiles that are not 1 to 3 positive numbers, a bad name.
struct hints {
  std::string name = {};          // what prints, `watch` and errors call the value
  std::optional<bool> fuse = {};  // false: keep this node a kernel of its own
  std::string variant = {};       // one of the op's kernel variants
  std::vector<std::int64_t> tile = {};
  bool operator==(const hints&) const = default;
};

/// Hints and the line of their %.
struct Hinted {
  Hinted(hints hint, At at = {}) : hint(std::move(hint)), at(at) {}
  hints hint;
  Location at;
};

/// A result of a node in a graph that is being built: a small handle that shares ownership of the graph.
class [[nodiscard]] Value {
 public:
  Value() = default;
  Value(std::shared_ptr<Draft> draft, ValueId id)
      : draft_(std::move(draft)), id_(id), undone_(times_undone(draft_.get())) {}

  /// Errors (of all accessors): invalid_argument for an empty value, for one that was made in the body of a loop or
  /// branch which threw, or once the graph is built.
  TensorType type(At at = {}) const;
  DType dtype(At at = {}) const { return type(at).dtype; }
  Shape shape(At at = {}) const { return type(at).shape; }
  std::string name(At at = {}) const;

  const std::shared_ptr<Draft>& draft() const { return draft_; }
  ValueId id() const { return id_; }
  std::uint32_t undone() const { return undone_; }  // times, when it was made
  explicit operator bool() const { return draft_ != nullptr; }

 private:
  std::shared_ptr<Draft> draft_;
  ValueId id_ = kNoValue;
  std::uint32_t undone_ = 0;
};

/// A state of the graph: what kv_write, kv_read, state_read and state_write take. Which version of it an operator
/// sees follows from the order of the lines.
class State {
 public:
  State(std::shared_ptr<Draft> draft, int decl)
      : draft_(std::move(draft)), decl_(decl), undone_(times_undone(draft_.get())) {}
  /// Errors: invalid_argument once the graph is built.
  StateSpec spec(At at = {}) const;
  const std::shared_ptr<Draft>& draft() const { return draft_; }
  int decl() const { return decl_; }
  std::uint32_t undone() const { return undone_; }  // times, when it was made

 private:
  std::shared_ptr<Draft> draft_;
  int decl_;
  std::uint32_t undone_;
};

/// Constants by loop index: `auto window = b.table("window", {0, 512, 0}); … window[l]`.
class Table {
 public:
  Table(std::shared_ptr<Draft> draft, int decl)
      : draft_(std::move(draft)), decl_(decl), undone_(times_undone(draft_.get())) {}
  struct Entry {
    template <std::convertible_to<Index> I>
    Entry(const I& index, At at = {}) : index(index), at(at) {}
    Index index;
    Location at;
  };
  /// The entry for that index, a scalar. Errors: invalid_argument if the loop runs past the table or belongs to
  /// another graph.
  Value operator[](const Entry& entry) const;

 private:
  std::shared_ptr<Draft> draft_;
  int decl_;
  std::uint32_t undone_;
};

/// A number as written; u64 only for what no i64 holds.
using Number = std::variant<std::int64_t, std::uint64_t, double>;

/// A number written among operands, `x * 0.5`: takes the dtype of the operands beside it.
struct Literal {
  Number value;
};

/// An operand: a value, a tensor of the package, a number or a loop's index, and the line it was written on.
class In {
 public:
  In(const Value& value, At at = {}) : operand_(value), at_(at) {}
  In(const Weight& weight, At at = {}) : operand_(weight), at_(weight.at ? weight.at : static_cast<Location>(at)) {}
  In(const Index& index, At at = {}) : operand_(index), at_(at) {}
  template <class T>
  requires std::is_arithmetic_v<T> In(T number, At at = {}) : operand_(literal(number)), at_(at) {}

  const std::variant<Value, Weight, Index, Literal>& operand() const { return operand_; }
  Location at() const { return at_; }

 private:
  template <class T>
  static Literal literal(T number) {
    if constexpr (std::is_floating_point_v<T>)
      return {static_cast<double>(number)};
    else if (std::is_unsigned_v<T> && static_cast<std::uint64_t>(number) > INT64_MAX)
      return {static_cast<std::uint64_t>(number)};
    else
      return {static_cast<std::int64_t>(number)};
  }

  std::variant<Value, Weight, Index, Literal> operand_;
  Location at_;
};

/// An operand that may be left out: `{.mask = m}`.
class OptionalIn : public std::optional<In> {
 public:
  OptionalIn() = default;
  OptionalIn(std::nullopt_t) {}
  OptionalIn(const std::optional<In>& operand) : std::optional<In>(operand) {}
  OptionalIn(const In& operand) : std::optional<In>(operand) {}
  template <class T>
  requires std::constructible_from<In, const T&, At> OptionalIn(const T& operand, At at = {})
      : std::optional<In>(In(operand, at)) {}
};

/// What an attribute of a node may be. Lists of integers are shapes of constants.
using Attribute = std::variant<bool, std::int64_t, double, std::string, DType, Dim, Shape>;

/// Attributes of a node by name, sorted.
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string_view, Attribute>> entries);

  const Attribute* find(std::string_view name) const;
  void set(std::string_view name, Attribute value);
  const std::vector<std::pair<std::string, Attribute>>& entries() const { return entries_; }
  bool operator==(const Attributes&) const = default;

 private:
  std::vector<std::pair<std::string, Attribute>> entries_;
};

/// An operator waiting for its first operand: `x | rms_norm(w)`. Plain data; may be kept and used again.
struct [[nodiscard]] Pipe {
  const OpDef* op = nullptr;
  std::vector<OptionalIn> rest = {};  // operands after the first; empty ones are absent
  Attributes attributes = {};
  hints hint = {};
  Location hint_at = {};
  Location at = {};
};

/// Adds a node of `op` to the graph that its operands belong to and returns its results. Every operator, also one
/// defined outside the library, is built on this. `operands` follow op.operands; absent optional ones are nullopt.
/// Errors: what op.infer throws, with "[op]" in front and the user's line behind; operands of different graphs, of a
/// region that has ended, or of no graph at all; use after the graph was built. An op without operands needs `where`.
struct ApplyTo {
  std::optional<State> state = {};    // the state operand, for ops that read or write one
  std::shared_ptr<Draft> draft = {};  // GraphBuilder::draft(), where no operand tells
};
std::vector<Value> apply(const OpDef& op, const std::vector<OptionalIn>& operands, Attributes attributes = {},
                         const ApplyTo& where = {}, Location at = {});

Value operator|(const In& x, const Pipe& pipe);
Value operator%(const Value& value, const Hinted& hint);
Pipe operator%(Pipe pipe, const Hinted& hint);

/// A finished graph: immutable, shared by its copies, safe to use from any thread.
class Graph {
 public:
  Graph() = default;
  explicit Graph(std::shared_ptr<const GraphData> data) : data_(std::move(data)) {}

  /// Errors: invalid_argument for an empty Graph.
  const GraphData& data(Location at = {}) const;
  const std::shared_ptr<const GraphData>& shared() const { return data_; }
  /// Names and types, in order. Errors: invalid_argument for an empty Graph.
  std::vector<std::pair<std::string, TensorType>> inputs(At at = {}) const;
  std::vector<std::pair<std::string, TensorType>> outputs(At at = {}) const;
  explicit operator bool() const { return data_ != nullptr; }

 private:
  std::shared_ptr<const GraphData> data_;
};

/// The versioned text form (.oig): parse(to_text(g)) prints as the same text. Grammar: lib/graph/README.md.
/// Errors: invalid_argument for an empty Graph.
std::string to_text(const Graph& graph, At at = {});
/// Parses and verifies. `file` names the text in errors. `ops` defaults to the library's own operators.
/// Errors: invalid_argument, shape_mismatch, dtype_mismatch, not_found (unknown op), each with file and line.
Graph parse_graph(std::string_view text, std::string_view file = "graph.oig");
Graph parse_graph(std::string_view text, std::string_view file, const OpSet& ops);
/// Graphviz source: one cluster per region, data edges solid, state edges dashed.
/// Errors: invalid_argument for an empty Graph.
std::string to_dot(const Graph& graph, At at = {});

namespace detail {
using LoopBody = std::function<std::vector<In>(const Index&, const std::vector<Value>&)>;
using Branch = std::function<std::vector<In>()>;

template <class T>
In operand(const T& value, At at) {
  if constexpr (std::is_same_v<T, In>)
    return value;
  else
    return In(value, at);
}
}  // namespace detail

/// Several carried values, and the line they stand on: `carry(x, y)`, for a loop's initial values and its body's
/// results. What a loop returned, a std::tuple, can stand in its place.
template <class... T>
struct carry {
  carry(const T&... values, At at = {}) : operands{detail::operand(values, at)...} {}
  carry(const std::tuple<T...>& values, At at)
      : operands(std::apply([&](const T&... v) { return std::vector<In>{detail::operand(v, at)...}; }, values)) {}
  std::vector<In> operands;
};
template <class... T>
carry(const T&...) -> carry<T...>;

class GraphBuilder {
 public:
  GraphBuilder();  // a graph without a package
  explicit GraphBuilder(const Model& model);

  /// A named dimension. Without bounds they come from the package's dimension of that name, else [0, 2^31).
  /// Errors: invalid_argument for a bad name, min > max, a negative min, or the same name with other bounds.
  Dim dim(std::string_view name, At at = {});
  Dim dim(std::string_view name, std::int64_t min, std::int64_t max, At at = {});

  /// A tensor that every step is given.  Shapes: any, of numbers and dimensions of this graph: a step binds those.
  /// Dtypes: plain. Errors: invalid_argument for a bad or taken name, or inside a loop or branch; dtype_mismatch for a
  /// block or packed format. A dimension of another graph is an invalid_argument of build().
  Value input(std::string_view name, DType dtype, Shape shape, At at = {});
  /// What a session keeps from step to step, zero at first: a cache of keys and values, kv_cache(…), or one tensor,
  /// tensor_state(dtype, shape).  Shapes: any, of numbers and dimensions, which stay what the first step binds them to.
  /// Dtypes: plain; a kv_cache's floats. Errors: invalid_argument for a bad name, one that another state has, or a
  /// kv_cache that is no float; dtype_mismatch for a block or packed format.
  State state(std::string_view name, StateSpec spec, At at = {});
  /// A tensor that is part of the graph's text: for small things. Without a name it is called c0, c1, …
  /// Shapes: the tensor's. Dtypes: plain. Errors: invalid_argument for a bad name, or one that another constant or
  /// table has; dtype_mismatch for a block or packed format.
  Value constant(Tensor tensor, At at = {});
  Value constant(std::string_view name, Tensor tensor, At at = {});
  /// One scalar for each index of a loop: window[l] is values[l].  Shapes: values (E), an entry (). Dtypes: T's.
  /// Errors: as constant's; an index beyond E is an error of window[l].
  template <class T>
  Table table(std::string_view name, std::vector<T> values, At at = {}) {
    const auto count = static_cast<std::int64_t>(values.size());
    return add_table(name, Tensor(values, {count}), at);
  }
  template <class T>
  Table table(std::string_view name, std::initializer_list<T> values, At at = {}) {
    return table(name, std::vector<T>(values), at);
  }
  /// A tensor of the package, or a loop's index (i32), as a Value. Errors: not_found, shape_mismatch of a family whose
  /// members differ; invalid_argument for an operand of another graph or package.
  Value value(const In& operand);

  /// for l in from..to { carried = body(l, carried); }: one region, however many turns. The body's results have the
  /// types of the initial values. Returns what the last turn carried out; state is carried by itself.
  ///   x = b.loop("l", 0, n, x, [&](Index l, Value x) { return x + …; });
  ///   std::tie(x, y) = b.loop("l", 0, n, carry(x, y), [&](Index l, Value x, Value y) { return carry(…, …); });
  ///   b.loop("l", 0, n, [&](Index l) { kv_write(…); });
  /// Errors: shape_mismatch or dtype_mismatch if a value leaves the body with another type than it entered;
  /// invalid_argument for a bad name, from > to, more than 32 bits, another number of values out than in, or a value of
  /// another graph or of a region that has ended.
  template <std::invocable<Index, Value> Body>
  Value loop(std::string_view name, std::int64_t from, std::int64_t to, const In& init, Body body, At at = {}) {
    auto results = add_loop(
        name, from, to, {init},
        [&](const Index& l, const std::vector<Value>& v) {
          static_assert(!std::is_void_v<std::invoke_result_t<Body&, Index, Value>>,
                        "the body of a loop returns what it carries to the next turn");
          return std::vector<In>{In(body(l, v[0]), at)};
        },
        at);
    return results[0];
  }
  template <class... Init, class Body>
  auto loop(std::string_view name, std::int64_t from, std::int64_t to, const carry<Init...>& init, Body body,
            At at = {}) {
    return loop_many(name, from, to, init.operands, body, at, std::index_sequence_for<Init...>{});
  }
  template <class... Init, class Body>
  auto loop(std::string_view name, std::int64_t from, std::int64_t to, const std::tuple<Init...>& init, Body body,
            At at = {}) {
    return loop(name, from, to, carry<Init...>(init, at), std::move(body), at);
  }
  template <std::invocable<Index> Body>
  void loop(std::string_view name, std::int64_t from, std::int64_t to, Body body, At at = {}) {
    add_loop(
        name, from, to, {},
        [&](const Index& l, const std::vector<Value>&) {
          body(l);
          return std::vector<In>{};
        },
        at);
  }

  /// Runs one branch, by a scalar bool: both are part of the graph, and return values of the same types (one Value,
  /// or several with carry(…)). Errors: dtype_mismatch for a predicate that is no bool[]; shape_mismatch if the
  /// branches return different types; invalid_argument for different numbers of values.
  template <class Then, class Else>
  auto cond(const In& predicate, Then then_body, Else else_body, At at = {}) {
    using Result = std::invoke_result_t<Then>;
    if constexpr (std::is_void_v<Result>) {
      add_cond(
          predicate,
          [&] {
            then_body();
            return std::vector<In>{};
          },
          [&] {
            else_body();
            return std::vector<In>{};
          },
          at);
    } else if constexpr (std::is_convertible_v<Result, In>) {
      return add_cond(
          predicate, [&] { return std::vector<In>{In(then_body(), at)}; },
          [&] { return std::vector<In>{In(else_body(), at)}; }, at)[0];
    } else {
      auto results = add_cond(
          predicate, [&] { return to_vector(then_body(), at); }, [&] { return to_vector(else_body(), at); }, at);
      return to_tuple(results, indices_of(std::type_identity<Result>{}));
    }
  }

  /// A value that every step can be asked for.  Shapes, dtypes: the value's; plain.
  /// Errors: invalid_argument for a bad name, one that another output has, inside a loop or branch, or for a value of a
  /// region that has ended; dtype_mismatch for a tensor of the package in a block format: cast it.
  void output(std::string_view name, const In& value, At at = {});

  /// Finishes: verifies the graph and closes this builder. Errors: invalid_argument (no output, built twice),
  /// internal if the verifier refuses what the builder accepted.
  Graph build(At at = {});

  const std::shared_ptr<Draft>& draft() const { return draft_; }

 private:
  Table add_table(std::string_view name, Tensor values, At at);
  std::vector<Value> add_loop(std::string_view name, std::int64_t from, std::int64_t to, const std::vector<In>& init,
                              const detail::LoopBody& body, Location at);
  std::vector<Value> add_cond(const In& predicate, const detail::Branch& then_body, const detail::Branch& else_body,
                              Location at);

  template <class... T>
  static std::vector<In> to_vector(const carry<T...>& values, At) {
    return values.operands;
  }
  template <class... T>
  static std::vector<In> to_vector(const std::tuple<T...>& values, At at) {
    return carry<T...>(values, at).operands;
  }
  template <template <class...> class Many, class... T>
  static auto indices_of(std::type_identity<Many<T...>>) {
    return std::index_sequence_for<T...>{};
  }
  template <std::size_t... I>
  static auto to_tuple(const std::vector<Value>& values, std::index_sequence<I...>) {
    return std::make_tuple(values[I]...);
  }
  template <class Body, std::size_t... I>
  auto loop_many(std::string_view name, std::int64_t from, std::int64_t to, const std::vector<In>& init, Body& body,
                 At at, std::index_sequence<I...> order) {
    auto results = add_loop(
        name, from, to, init,
        [&](const Index& l, const std::vector<Value>& v) { return to_vector(body(l, v[I]...), at); }, at);
    return to_tuple(results, order);
  }

  std::shared_ptr<Draft> draft_;
};

/// Builds a graph over a package (or over none) in one expression. Errors: what the body throws, and build's.
template <std::invocable<GraphBuilder&> Body>
Graph graph(const Model& model, Body body, At at = {}) {
  GraphBuilder b(model);
  body(b);
  return b.build(at);
}
template <std::invocable<GraphBuilder&> Body>
Graph graph(Body body, At at = {}) {
  GraphBuilder b;
  body(b);
  return b.build(at);
}

}  // namespace openinfer
