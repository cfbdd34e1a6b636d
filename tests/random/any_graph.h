// SPDX-License-Identifier: Apache-2.0
// Random valid graphs over the library's whole set of operators: any plain dtype, ranks 0 to 4, a symbol, weights in
// stored formats, states, caches, loops and branches. Unlike tests/graph/random_graph.h, which grows one value of one
// type, a step takes any values that are there and adds what they give.
#pragma once

#include <openinfer/op_def.h>
#include <openinfer/openinfer.h>

#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "openinfer/error.h"
#include "tests/sim/test_package.h"

namespace openinfer::random_graphs {

inline constexpr std::int64_t kMostRows = 8;    // of the symbol N
inline constexpr std::int64_t kTableRows = 10;  // ids stay below
inline constexpr std::int64_t kWide = 32;       // inner extent of products with weights
inline constexpr int kLayers = 3;               // of the cache, and members of a family: loops run below
inline constexpr std::int64_t kMostContext = 16, kLeastContext = 8, kSlots = 2;

/// The weights that every graph may name: W.{0..3} and V.{0..3} (32, 32) in blocks, bytes and floats, "table" of rows.
void add_weights(sim_test::TestPackage& package);

/// Ends a step that does not fit what is there: another one is tried.
[[noreturn]] inline void give_up() { throw Error(ErrorCode::invalid_argument, "this step does not fit"); }

class AnyGraph {
 public:
  /// `avoided`: names of operators that shall not appear.
  AnyGraph(unsigned seed, const Model& model, std::set<std::string, std::less<>> avoided = {})
      : random_(seed), model_(model), avoided_(std::move(avoided)) {}

  Graph make();

 private:
  /// Values that a step may use: those of the regions around, and its own.
  using Scope = std::vector<Value>;

  int pick(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  bool once_in(int count) { return pick(count) == 0; }
  void use(std::string_view op) const;

  void declare(GraphBuilder& b, Scope& scope);
  void grow(Scope& scope, int count, int depth);
  Value step(const Scope& scope, int depth);
  /// A value that is there, later ones more often.
  Value any(const Scope& scope);
  Value any_float(const Scope& scope);
  /// The last one of that type.
  Value same_type(const Scope& scope, const TensorType& type);
  /// A value whose last extent is that, if there is one.
  std::optional<Value> with_last(const Scope& scope, std::int64_t extent);
  Value boolean_of(const Value& x);
  /// Numbers that later steps can go on from.
  Value settled(const Value& x);

  Value elementwise(const Scope& scope);
  Value partner(const Scope& scope, const Value& first);
  OptionalIn operand(const OpDef& op, std::size_t number, const Scope& scope, const Value& first);
  Value converted(const Scope& scope);
  Value moved(const Scope& scope);
  Value turned(const Value& x, const Shape& shape);
  Value reshaped(const Value& x, const Shape& shape);
  Value sliced(const Value& x, const Shape& shape);
  Value reduced(const Scope& scope);
  Value product(const Scope& scope);
  Value normed(const Scope& scope);
  Value looked_up(const Scope& scope);
  Value kept(const Scope& scope);
  Value attended(const Scope& scope);
  Value made(const Scope& scope);
  Value loop(const Scope& scope, int depth);
  Value branch(const Scope& scope, int depth);
  Value constant(Extents shape);

  std::mt19937 random_;
  const Model& model_;
  std::set<std::string, std::less<>> avoided_;
  GraphBuilder* b_ = nullptr;
  Dim n_;
  Value flag_, ids_, pos_, slot_;
  std::optional<State> sum_, count_, cache_;
  std::optional<Index> turn_;  // of the innermost loop
};

}  // namespace openinfer::random_graphs
