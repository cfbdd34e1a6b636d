// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "codegen/kernels/panel_code.h"
#include "codegen/plan/members.h"
#include "codegen/plan/print.h"
#include "codegen/plan/walk.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"
#include "lib/sim/budget.h"

namespace openinfer::plan {
namespace {

// One is computed with while two are read: a disk wants more than one request at a time.
constexpr int kBuffers = 3;
// Where reading at the disk's speed asks for no larger pieces.
constexpr std::int64_t kMostTileBytes = 8 << 20;
// A weight that is no product's may stay if it is not larger.
constexpr std::int64_t kSmallBytes = 16 << 10;
// Of an output at once: the program's, the one it hands out, the one of the step before.
constexpr std::int64_t kOutputs = 3, kInputs = 2;

std::int64_t pages(std::int64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

std::vector<Dispatch*> dispatches_of(std::vector<Step>& steps) {
  std::vector<Dispatch*> all;
  each_dispatch(steps, [&](Dispatch& d) { all.push_back(&d); });
  return all;
}

/// Weights that are no operand of a dispatch.
void other_weights(const std::vector<Step>& steps, const std::function<void(int)>& f) {
  each_step(steps, [&](const Step& step) {
    if (const auto* c = std::get_if<Copy>(&step)) f(c->from.buffer);
    if (const auto* b = std::get_if<Branch>(&step)) f(b->predicate.buffer);
  });
}

/// A weight buffer's members in the package.
struct Stored {
  std::int64_t row_bytes = 0, size_bytes = 0;  // of the largest
  std::int64_t all_bytes = 0;                  // of all, one behind the other
  std::int64_t rows = 0;
};

/// How a plan's weights come into memory, and what all of it takes.
class Fit {
 public:
  Fit(Plan& plan, const Model& model) : plan_(plan), stored_(plan.buffers.size()) {
    for (std::size_t i = 0; i < plan.buffers.size(); ++i)
      if (plan.buffers[i].role == Role::weight) stored_[i] = stored_of(plan.buffers[i], model);
    for (EntryPoint& e : plan.entries) {
      for (Dispatch* d : dispatches_of(e.steps)) choose(*d);
      other_weights(e.steps, [&](int b) { keep(b); });
    }
  }

  /// Symbols whose value a step's inputs tell and that size no state.
  std::vector<SymbolRange> open_symbols() const {
    std::vector<SymbolRange> open;
    for (const EntryPoint& e : plan_.entries)
      for (const Symbol& s : e.symbols) {
        if (!in_shapes(Role::input, s.name) || in_shapes(Role::state, s.name)) continue;
        const auto known = std::find_if(open.begin(), open.end(), [&](const auto& o) { return o.symbol == s.name; });
        if (known == open.end()) {
          open.push_back({s.name, s.min, s.max});
          continue;
        }
        known->least = std::min(known->least, s.min);
        known->most = std::max(known->most, s.max);
      }
    return open;
  }

  /// With tiles no larger than they must be.
  MemoryBudget takes(const SymbolSizes& limits, std::int64_t buffer) {
    MemoryBudget b;
    bound(limits);
    plan_memory(plan_);
    for (const EntryPoint& e : plan_.entries) b.values = std::max(b.values, e.arena_bytes);
    for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
      const Buffer& one = plan_.buffers[i];
      if (one.role == Role::state) b.states += pages(one.max_bytes);
      if (one.role == Role::input) b.values += kInputs * pages(one.max_bytes);
      if (one.role == Role::output) b.values += kOutputs * pages(one.max_bytes);
      if (one.role == Role::constant) b.values += pages(one.max_bytes);
      if (one.role == Role::weight && one.resident) b.resident += stored_[i].all_bytes;
    }
    b.resident = pages(b.resident);
    b.looked_up = looked_up();
    b.buffers = streams_ ? kBuffers : 0;
    b.buffer_bytes = buffer;
    return b;
  }

  std::int64_t least_buffer() {
    return widest([](const ColumnParts&) { return std::int64_t{1}; });
  }
  std::int64_t most_buffer() {
    return std::max(least_buffer(), std::min(kMostTileBytes, widest([](const ColumnParts& c) { return c.parts; })));
  }

  /// Cuts each dispatch's parts into tiles that fit the buffer.
  void cut(std::int64_t buffer) {
    for (EntryPoint& e : plan_.entries)
      for (Dispatch* d : dispatches_of(e.steps)) {
        Streaming& s = d->streaming;
        if (s.tiles.parts == 0) continue;
        std::int64_t fits = 1, beyond = s.tiles.parts + 1;
        while (beyond - fits > 1) {
          const std::int64_t middle = fits + (beyond - fits) / 2;
          (tile_bytes(*d, middle) <= buffer ? fits : beyond) = middle;
        }
        const std::int64_t tiles = (s.tiles.parts + fits - 1) / fits;
        s.at_once = (s.tiles.parts + tiles - 1) / tiles;  // alike, so that reading and computing take turns evenly
        s.tile_bytes = tile_bytes(*d, s.at_once);
      }
  }

 private:
  static Stored stored_of(const Buffer& weight, const Model& model) {
    Stored all;
    std::set<std::string> seen;
    for (const std::string& key : member_keys(weight)) {
      const TensorInfo t = model.tensor(key);
      const auto size = static_cast<std::int64_t>(t.size_bytes);
      all.row_bytes = std::max(all.row_bytes, stored_row_bytes(t));
      all.size_bytes = std::max(all.size_bytes, size);
      all.rows = size == 0 ? 0 : size / std::max<std::int64_t>(1, stored_row_bytes(t));
      all.all_bytes += (size + 63) / 64 * 64;
    }
    return all;
  }

  const Buffer& buffer_of(const Dispatch& d, std::size_t operand) const {
    return plan_.buffers[static_cast<std::size_t>(d.operands[operand].buffer)];
  }
  const Stored& stored(const Dispatch& d, std::size_t operand) const {
    return stored_[static_cast<std::size_t>(d.operands[operand].buffer)];
  }
  bool is_weight(const Dispatch& d, std::size_t operand) const { return buffer_of(d, operand).role == Role::weight; }
  void keep(int buffer) {
    Buffer& b = plan_.buffers[static_cast<std::size_t>(buffer)];
    if (b.role == Role::weight) b.resident = true;
  }

  void choose(Dispatch& d) {
    Streaming& s = d.streaming;
    s = {};
    std::set<std::size_t> read;
    if (d.lookup.table >= 0 && is_weight(d, static_cast<std::size_t>(d.lookup.table)) &&
        stored(d, static_cast<std::size_t>(d.lookup.table)).size_bytes > kSmallBytes) {
      s.lookup = d.lookup;
      read.insert(static_cast<std::size_t>(d.lookup.table));
    }
    for (const ColumnParts::Weight& w : d.columns.weights) {
      if (!is_weight(d, w.operand) || s.tiles.weights.size() == kMostStreamed) continue;
      s.tiles.parts = d.columns.parts;
      s.tiles.weights.push_back(w);
      read.insert(w.operand);
    }
    for (std::size_t o = 0; o < d.operands.size(); ++o) {
      if (!is_weight(d, o) || read.contains(o)) continue;
      const bool whole = d.columns.parts == 0 && s.tiles.weights.size() < kMostStreamed &&
                         buffer_of(d, o).shape.size() > 1 && stored(d, o).size_bytes > kSmallBytes &&
                         d.operands[o].offset == Size(0);
      if (!whole) {
        keep(d.operands[o].buffer);
        continue;
      }
      s.tiles.parts = 1;
      s.tiles.weights.push_back({o, 0, 1, stored(d, o).rows});
    }
    streams_ = streams_ || s.tiles.parts > 0;
  }

  bool in_shapes(Role role, std::string_view symbol) const {
    return std::any_of(plan_.buffers.begin(), plan_.buffers.end(), [&](const Buffer& b) {
      return b.role == role && std::any_of(b.shape.begin(), b.shape.end(), [&](const Dim& d) {
               return std::any_of(d.terms().begin(), d.terms().end(),
                                  [&](const auto& t) { return t.symbol == symbol; });
             });
    });
  }

  /// Sizes of buffers under lower bounds of symbols.
  void bound(const SymbolSizes& limits) {
    const auto most = [&](const EntryPoint& e, const Size& size) {
      return size.value([&](std::string_view symbol) {
        const auto s =
            std::find_if(e.symbols.begin(), e.symbols.end(), [&](const Symbol& x) { return x.name == symbol; });
        OPENINFER_ASSERT(s != e.symbols.end());
        const auto limit = limits.find(std::string(symbol));
        return limit == limits.end() ? s->max : std::clamp(limit->second, s->min, s->max);
      });
    };
    for (Buffer& b : plan_.buffers) {
      if (b.role != Role::scratch && b.role != Role::input && b.role != Role::output) continue;
      b.max_bytes = 0;
      for (std::size_t e = 0; e < plan_.entries.size(); ++e)
        if (b.role != Role::scratch || b.entry == static_cast<int>(e))
          b.max_bytes = std::max(b.max_bytes, most(plan_.entries[e], Size::count(b.shape)) * info(b.dtype).block_bytes);
    }
  }

  std::int64_t tile_bytes(const Dispatch& d, std::int64_t at_once) const {
    std::int64_t widest = 0;
    const ColumnParts& tiles = d.streaming.tiles;
    for (std::int64_t from = 0; from < tiles.parts; from += at_once) {
      std::int64_t bytes = 0;
      for (const ColumnParts::Weight& w : tiles.weights) {
        const Stored& all = stored(d, w.operand);
        bytes += buffer_bytes(
            tile_range(w, all.row_bytes, all.size_bytes, from, std::min(from + at_once, tiles.parts)).count);
      }
      widest = std::max(widest, bytes);
    }
    return widest;
  }
  template <class F>
  std::int64_t widest(const F& at_once) {
    std::int64_t most = 0;
    for (EntryPoint& e : plan_.entries)
      for (Dispatch* d : dispatches_of(e.steps))
        if (d->streaming.tiles.parts > 0) most = std::max(most, tile_bytes(*d, at_once(d->streaming.tiles)));
    return most;
  }

  /// Pages of the entries that one dispatch looks up; of panels all sixteen rows of an entry.
  std::int64_t looked_up() {
    std::int64_t most = 0;
    for (EntryPoint& e : plan_.entries)
      for (Dispatch* d : dispatches_of(e.steps)) {
        const RowLookup& look = d->streaming.lookup;
        if (look.table < 0) continue;
        const Buffer& table = buffer_of(*d, static_cast<std::size_t>(look.table));
        const Buffer& ids = buffer_of(*d, static_cast<std::size_t>(look.ids));
        const std::int64_t rows = table.layout == kernels::Layout::panel16 ? kernels::kPanelRows : 1;
        const std::int64_t entry = stored(*d, static_cast<std::size_t>(look.table)).size_bytes / look.entries * rows;
        const std::int64_t count = ids.max_bytes / info(ids.dtype).block_bytes;
        const std::int64_t all = pages(stored(*d, static_cast<std::size_t>(look.table)).size_bytes);
        most = std::max(most, std::min(all, count * (pages(entry) + kPageBytes)));
      }
    return most;
  }

  Plan& plan_;
  std::vector<Stored> stored_;  // by buffer
  bool streams_ = false;
};

BudgetParts parts_of(const MemoryBudget& b) {
  return {b.states, b.values, b.resident + b.looked_up + b.buffers * b.buffer_bytes};
}

std::string_view remedy_of(const BudgetParts& least) {
  return 2 * least.states > least.total() ? "a shorter context (--max-context) makes the states smaller" : "";
}

/// The size of buffers: at most `share` of what is left beside all else.
std::int64_t buffer_for(Fit& fit, const MemoryBudget& with_least, std::int64_t budget, double share) {
  const std::int64_t least = fit.least_buffer();
  if (with_least.buffers == 0) return least;
  const auto spare = static_cast<std::int64_t>(static_cast<double>(budget - with_least.total()) * share);
  return std::clamp(least + spare / with_least.buffers / kPageBytes * kPageBytes, least, fit.most_buffer());
}

}  // namespace

std::int64_t buffer_bytes(std::int64_t range_bytes) {
  return range_bytes == 0 ? 0 : pages(range_bytes) + 2 * kPageBytes;
}

ByteRange tile_range(const ColumnParts::Weight& weight, std::int64_t row_bytes, std::int64_t size_bytes,
                     std::int64_t from, std::int64_t to) {
  const auto place = [&](std::int64_t part) {
    const std::int64_t own = std::clamp<std::int64_t>(part - weight.first, 0, weight.count);
    return own == weight.count ? size_bytes : std::min(own * weight.rows_each * row_bytes, size_bytes);
  };
  return {place(from), place(to) - place(from)};
}

std::int64_t stored_row_bytes(const TensorInfo& tensor) {
  if (tensor.shape.empty()) return static_cast<std::int64_t>(tensor.size_bytes);
  const bool turned = tensor.transposed && tensor.shape.size() >= 2;
  const std::int64_t width = tensor.shape[tensor.shape.size() - (turned ? 2 : 1)];
  return width % info(tensor.dtype).block_size == 0 ? size_bytes(tensor.dtype, width)
                                                    : static_cast<std::int64_t>(tensor.size_bytes);
}

SymbolLimits fit_budget(const Plan& plan, const Model& model, std::int64_t budget) {
  if (budget < 0) fail(ErrorCode::invalid_argument, "[budget] a memory budget of {} bytes", budget);
  Plan tried = plan;
  Fit fit(tried, model);
  const std::vector<SymbolRange> open = fit.open_symbols();
  SymbolSizes least;
  for (const SymbolRange& s : open) least[s.symbol] = s.least;
  const MemoryBudget smallest = fit.takes(least, fit.least_buffer());
  if (smallest.total() > budget) refuse_budget(budget, parts_of(smallest), remedy_of(parts_of(smallest)));
  const std::int64_t buffer = buffer_for(fit, smallest, budget, 0.5);
  const SymbolSizes sizes =
      largest_that_fit(open, budget, [&](const SymbolSizes& now) { return fit.takes(now, buffer).total(); });
  return {sizes.begin(), sizes.end()};
}

void stream_weights(Plan& plan, const Model& model, std::int64_t budget) {
  Fit fit(plan, model);
  const MemoryBudget least = fit.takes({}, fit.least_buffer());
  if (least.total() > budget) refuse_budget(budget, parts_of(least), remedy_of(parts_of(least)));
  const std::int64_t buffer = buffer_for(fit, least, budget, 1);
  fit.cut(buffer);
  plan.budget = fit.takes({}, buffer);
  plan.budget.bytes = budget;
}

Plan lower_within(const Graph& graph, PlanOptions options, std::int64_t budget,
                  const std::function<void(Plan&)>& passes) {
  if (budget == 0) {
    Plan plan = lower(graph, options);
    passes(plan);
    return plan;
  }
  if (!graph.data().model)
    fail(ErrorCode::invalid_argument, "[budget] a graph without a package has no weights that could be streamed");
  const Model& model = *graph.data().model;
  Plan free = lower(graph, options);
  run_passes(free);
  if (options.entries.empty()) options.entries.push_back({.name = "step"});
  for (const auto& limit : fit_budget(free, model, budget))  // no structured binding: clang 14 cannot capture one
    for (std::size_t e = 0; e < options.entries.size(); ++e) {
      const auto& symbols = free.entries[e].symbols;
      const auto s =
          std::find_if(symbols.begin(), symbols.end(), [&](const Symbol& x) { return x.name == limit.first; });
      options.entries[e].limits[limit.first] = std::clamp(limit.second, s->min, s->max);
    }
  Plan plan = lower(graph, options);
  passes(plan);
  stream_weights(plan, model, budget);
  return plan;
}

std::string streaming_text(const Plan& plan, const Dispatch& d) {
  std::string text;
  const auto name = [&](std::size_t operand) { return to_text(plan, d.operands[operand]); };
  if (d.streaming.tiles.parts > 0) {
    for (const ColumnParts::Weight& w : d.streaming.tiles.weights)
      text += (text.empty() ? "streamed: " : ", ") + name(w.operand);
    text += d.streaming.at_once == d.streaming.tiles.parts
                ? fmt::format(" in one tile, {} B", d.streaming.tile_bytes)
                : fmt::format(" in tiles of {} of {} parts, {} B", d.streaming.at_once, d.streaming.tiles.parts,
                              d.streaming.tile_bytes);
  }
  if (d.streaming.lookup.table >= 0)
    text += fmt::format("{}looked up: rows of {}", text.empty() ? "" : "; ",
                        name(static_cast<std::size_t>(d.streaming.lookup.table)));
  return text;
}

}  // namespace openinfer::plan
