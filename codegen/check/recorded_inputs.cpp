// SPDX-License-Identifier: Apache-2.0
#include "codegen/check/recorded_inputs.h"

#include <algorithm>
#include <array>
#include <random>

#include "lib/base/fail.h"
#include "lib/base/number.h"
#include "lib/graph/ir.h"

namespace openinfer::check {
namespace {

using Of = plan::IndexBound::Of;

constexpr std::int64_t kSlots = 2;
/// Of free symbols in order, and of a cache's positions: the first of them and two more steps, in one slot or two.
struct Sizes {
  std::array<std::int64_t, 4> free;
  std::int64_t context;
};
constexpr Sizes kSmall = {{5, 3, 7, 9}, 7};  // no whole number of vectors of anything
/// Where tiles of 32 rows multiply: into their second half, which has registers of its own.
constexpr Sizes kTiled = {{19, 3, 21, 9}, 21};

class Inputs {
 public:
  Inputs(const Graph& graph, const plan::Plan& plan, const plan::GraphFacts& facts)
      : graph_(graph), plan_(plan), facts_(facts) {}

  RecordedInputs run() {
    const auto tiled = [](const plan::EntryPoint& entry) { return !entry.bf16_products.empty(); };
    if (std::any_of(plan_.entries.begin(), plan_.entries.end(), tiled) && has_room(kTiled.context)) wanted_ = kTiled;
    for (const plan::Buffer& b : plan_.buffers)
      if (b.role == plan::Role::state)
        for (const Dim& d : b.shape)
          for (const Dim::Term& t : d.terms()) set_state_size(t.symbol);
    for (const int entry : order()) {
      bind(entry);
      RecordedStep step = {.entry = entry, .inputs = {}};
      for (const auto& [name, type] : graph_.inputs()) step.inputs.emplace_back(name, input(name, type));
      made_.steps.push_back(std::move(step));
    }
    return std::move(made_);
  }

 private:
  std::vector<int> order() const {
    const int last = static_cast<int>(plan_.entries.size()) - 1;
    std::vector<int> order;
    for (int e = last; e >= 0; --e) order.push_back(e);
    order.push_back(0);
    return order;
  }

  /// Can a slot of the cache hold so many positions?
  bool has_room(std::int64_t positions) const {
    const auto& symbols = plan_.entries.front().symbols;
    return std::none_of(symbols.begin(), symbols.end(), [&](const plan::Symbol& s) {
      return s.name == facts_.caches.context_symbol && s.max < positions;
    });
  }
  const plan::Symbol& symbol(const plan::EntryPoint& entry, const std::string& name) const {
    return *std::find_if(entry.symbols.begin(), entry.symbols.end(), [&](const auto& s) { return s.name == name; });
  }
  void set_state_size(const std::string& name) {
    const plan::Symbol& bounds = symbol(plan_.entries.front(), name);
    const std::int64_t wanted = name == facts_.caches.context_symbol ? wanted_.context
                                : name == facts_.caches.slots_symbol
                                    ? kSlots
                                    : wanted_.free[made_.sizes.size() % wanted_.free.size()];
    made_.sizes.emplace(name, std::clamp(wanted, bounds.min, bounds.max));
  }

  void bind(int entry) {
    const plan::EntryPoint& point = plan_.entries[static_cast<std::size_t>(entry)];
    const Sizes& sizes = point.bf16_products.empty() ? kSmall : wanted_;
    sizes_.clear();
    std::size_t free = 0;
    for (const plan::Symbol& s : point.symbols) {
      const auto fixed = made_.sizes.find(s.name);
      if (fixed != made_.sizes.end())
        sizes_[s.name] = fixed->second;
      else
        sizes_[s.name] = std::clamp(s.min == s.max ? s.min : sizes.free[free++ % sizes.free.size()], s.min, s.max);
    }
  }
  std::int64_t value(const Dim& dim) const {
    return *dim.value([&](std::string_view name) { return std::optional(sizes_.at(std::string(name))); });
  }

  /// What an input's elements must stay below; of several the least.
  const plan::IndexBound* bound(const std::string& name) const {
    const plan::IndexBound* least = nullptr;
    for (const plan::IndexBound& b : facts_.index_bounds)
      if (b.input == name && (!least || least->of == Of::entries)) least = &b;
    return least;
  }
  std::int64_t below(const std::string& name) const {
    std::int64_t least = INT64_MAX;
    for (const plan::IndexBound& b : facts_.index_bounds)
      if (b.input == name) least = std::min(least, value(b.below));
    return least;
  }

  Tensor input(const std::string& name, const TensorType& type) {
    Extents shape;
    for (const Dim& d : type.shape) shape.push_back(value(d));
    Tensor tensor(type.dtype, shape, Location{});
    const auto count = static_cast<std::size_t>(tensor.count());
    const auto to = tensor.mutable_bytes();
    for (std::size_t i = 0; i < count; ++i) {
      const Number number = element(name, type, static_cast<std::int64_t>(i), static_cast<std::int64_t>(count));
      if (!store_number(number, type.dtype, to.data() + i * static_cast<std::size_t>(info(type.dtype).block_bytes)))
        fail(ErrorCode::internal, "[check] {} cannot be an element of input {}", to_string(number), name);
    }
    return tensor;
  }
  Number element(const std::string& name, const TensorType& type, std::int64_t i, std::int64_t count) {
    const auto random = static_cast<std::int64_t>(random_() & 0xffff);
    if (const plan::IndexBound* b = bound(name)) {
      if (b->of == Of::positions) return position(name, i, count, below(name));
      if (b->of == Of::slots) return slot(i, count, below(name));
      return random % std::max<std::int64_t>(1, below(name));
    }
    if (is_float(type.dtype)) return static_cast<double>(random % 3999 - 1999) / 1000;
    if (type.dtype == DType::boolean)
      return type.shape.empty() ? std::int64_t((made_.steps.size() + 1) % 2) : random % 2;
    return random % (is_signed_int(type.dtype) ? 7 : 2);  // what is unsigned is mostly a mask
  }
  /// The first half of the rows in one slot, the rest in the next.
  std::int64_t slot(std::int64_t i, std::int64_t count, std::int64_t slots) const {
    const std::int64_t used = std::min(slots, count > 1 ? kSlots : 1);
    return i * used / std::max<std::int64_t>(1, count);
  }
  /// Each slot's rows follow each other, also from step to step. Where rows have no slot, or a slot each (`step`), one
  /// counter serves.
  Number position(const std::string& input, std::int64_t i, std::int64_t count, std::int64_t capacity) {
    const bool slots = std::any_of(facts_.index_bounds.begin(), facts_.index_bounds.end(),
                                   [](const plan::IndexBound& b) { return b.of == Of::slots; });
    const std::int64_t in = slots ? slot(i, count, slot_count()) : 0;
    std::int64_t& next = next_[{input, in}];
    if (next >= capacity) next = 0;
    return next++;
  }
  std::int64_t slot_count() const {
    for (const plan::IndexBound& b : facts_.index_bounds)
      if (b.of == Of::slots) return value(b.below);
    return 1;
  }

  const Graph& graph_;
  const plan::Plan& plan_;
  const plan::GraphFacts& facts_;
  Sizes wanted_ = kSmall;
  RecordedInputs made_;
  std::map<std::string, std::int64_t> sizes_;                          // of every symbol, in this step
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> next_;  // position, by input and slot
  std::mt19937 random_{1};
};

}  // namespace

RecordedInputs recorded_inputs(const Graph& graph, const plan::Plan& plan, const plan::GraphFacts& facts) {
  return Inputs(graph, plan, facts).run();
}

}  // namespace openinfer::check
