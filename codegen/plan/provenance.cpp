// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "codegen/plan/walk.h"

namespace openinfer::plan {
namespace {

/// Of one kernel; several dispatches may call it.
struct Provenance {
  std::vector<std::string> nodes, dispatches, reasons;
  std::vector<std::string> shapes;  // of its global buffers; "": not the same in all dispatches
};

void add(std::vector<std::string>& lines, const std::string& line) {
  if (!line.empty() && std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
}

/// "dispatch 2 of decode, for l in 0..30: 345.8 KiB, 1.11 MFLOP"
std::string call_text(const EntryPoint& entry, const PlacedDispatch& placed) {
  std::string text = fmt::format("dispatch {} of {}", placed.number, entry.name);
  for (const Loop* loop : placed.loops) text += fmt::format(", for {} in {}..{}", loop->index, loop->from, loop->to);
  return fmt::format("{}: {}", text, work_text(placed.dispatch->origin));
}

/// "(1, 576)", "(576, 576) in blocks": the entry's fixed symbols as numbers. A kernel sees one layer of a cache, and
/// may take pairs of bf16 as one.
std::string shape_text(const Buffer& b, const EntryPoint& entry, kir::Kind seen_as) {
  const auto symbol = [&](std::string_view name) {
    for (const Symbol& s : entry.symbols)
      if (s.name == name && s.min == s.max) return fmt::format("{}", s.min);
    return std::string(name);
  };
  std::vector<std::string> extents;
  for (const Dim& d : b.shape) extents.push_back(text(d, symbol));
  if (b.role == Role::state && extents.size() == 5) extents.erase(extents.begin());
  if (extents.empty()) return "";
  const bool panels = b.layout == kernels::Layout::panel16;
  return fmt::format("({}){}", fmt::join(extents, ", "),
                     panels                                                ? " in panels"
                     : info(b.dtype).block_size > 1                        ? " in blocks"
                     : b.dtype == DType::bf16 && seen_as == kir::Kind::u32 ? " of bf16"
                                                                           : "");
}

void merge_shapes(std::vector<std::string>& shapes, const std::vector<std::string>& now) {
  if (shapes.empty()) shapes = now;
  for (std::size_t i = 0; i < now.size(); ++i)
    if (shapes[i] != now[i]) shapes[i].clear();
}

}  // namespace

void plan_provenance(Plan& plan) {
  std::vector<Provenance> all(plan.kernels.size());
  for (const EntryPoint& entry : plan.entries)
    for (const PlacedDispatch& placed : dispatches(entry))
      for (const int kernel : placed.dispatch->kernels) {
        Provenance& p = all[static_cast<std::size_t>(kernel)];
        const Origin& from = placed.dispatch->origin;
        for (std::size_t i = 0; i < from.nodes.size(); ++i)
          add(p.nodes, from.nodes[i] + (from.at[i] ? "  at " + from.at[i].to_string() : ""));
        add(p.dispatches, call_text(entry, placed));
        add(p.reasons, from.reason);
        std::vector<std::string> shapes;
        auto operand = placed.dispatch->operands.begin();
        for (const kir::Buffer& b : plan.kernels[static_cast<std::size_t>(kernel)].code.buffers)
          if (b.space == kir::Space::global && operand != placed.dispatch->operands.end())
            shapes.push_back(shape_text(plan.buffers[static_cast<std::size_t>(operand++->buffer)], entry, b.kind));
        merge_shapes(p.shapes, shapes);
      }
  for (std::size_t k = 0; k < all.size(); ++k) {
    std::vector<std::string>& lines = plan.kernels[k].code.provenance = all[k].nodes;
    lines.insert(lines.end(), all[k].dispatches.begin(), all[k].dispatches.end());
    lines.insert(lines.end(), all[k].reasons.begin(), all[k].reasons.end());
    std::size_t shape = 0;
    for (kir::Buffer& b : plan.kernels[k].code.buffers)
      if (b.space == kir::Space::global && shape < all[k].shapes.size())
        if (const std::string& text = all[k].shapes[shape++]; !text.empty()) b.comment = text;
  }
}

}  // namespace openinfer::plan
