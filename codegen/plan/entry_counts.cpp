// SPDX-License-Identifier: Apache-2.0
// What an operand may have of elements: kernels count them in 32 bits.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "codegen/plan/entry_lowering.h"

namespace openinfer::plan {
namespace {

/// Kernels count elements, or blocks, in 32 bits from where an operand starts, and round up to what a group takes.
constexpr std::int64_t kMostUnits = std::numeric_limits<std::int32_t>::max() - 65'535;

}  // namespace

void EntryLowering::check_count(const std::string& what, std::int64_t units, std::string_view remedy) const {
  if (units <= kMostUnits) return;
  const Node& n = g_.nodes[group_.nodes.front()];
  unsupported(n, fmt::format("{} may have {} elements or blocks; kernels count to {}. {}{} its dimensions lower", what,
                             units, kMostUnits, remedy, remedy.empty() ? "Bound" : ", or bound"));
}

std::string EntryLowering::remedy_of_cache(const Shape& shape) const {
  const Caches all = caches(g_);
  std::string remedy;
  const auto add = [&](const std::string& symbol, std::string_view what) {
    const auto has_it = [&](const Dim& dim) { return lone_symbol(dim) == symbol; };
    if (symbol.empty() || std::none_of(shape.begin(), shape.end(), has_it) || upper(Size(Dim::symbol(symbol))) == 1)
      return;
    remedy += fmt::format("{} {}", remedy.empty() ? "Take" : " or", what);
  };
  add(all.context_symbol, "a shorter context (--max-context)");
  add(all.slots_symbol, "fewer sequences (--batch)");
  return remedy;
}

void EntryLowering::check_reach(const Operand& operand) const {
  const Buffer& b = plan_.buffers[static_cast<std::size_t>(operand.buffer)];
  const bool is_cache = std::any_of(g_.states.begin(), g_.states.end(), [&](const StateDecl& s) {
    return s.spec.kind == StateSpec::Kind::kv_cache && (b.key == s.name + ".keys" || b.key == s.name + ".values");
  });
  // A layer of a cache starts at its own offset.
  const bool by_layer = b.role == Role::state && is_cache;
  const Size count = Size::count(by_layer ? Shape(b.shape.begin() + 1, b.shape.end()) : b.shape);
  check_count(fmt::format("'{}'", b.key), upper(count) / info(b.dtype).block_size,
              by_layer ? remedy_of_cache(b.shape) : "");
}

}  // namespace openinfer::plan
