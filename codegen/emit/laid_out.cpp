// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/laid_out.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "codegen/kernels/panel_code.h"
#include "codegen/plan/budget.h"
#include "codegen/plan/members.h"
#include "codegen/plan/walk.h"

namespace openinfer::emit {
namespace {

constexpr std::string_view kHostHeader =
#include "host_laid_out_h.inc"
    ;
/// A constant as the host has it, for there is one truth only.
constexpr int host_constant(std::string_view mark) {
  int number = 0;
  for (std::size_t at = kHostHeader.find(mark) + mark.size(); kHostHeader[at] >= '0' && kHostHeader[at] <= '9'; ++at)
    number = 10 * number + (kHostHeader[at] - '0');
  return number;
}
constexpr std::size_t kMostWeights = host_constant("kMost = ");
/// Bytes: where one weight's panels end, those of the next begin in another line.
constexpr std::int64_t kLine = host_constant("kLine = ");
static_assert(kMostWeights > 0 && kLine > 0);

/// Is a member of it other than kernels read it?
bool is_in_rows(const plan::Buffer& weight, const Model& model) {
  if (weight.role != plan::Role::weight || weight.layout != kernels::Layout::panel16) return false;
  const std::vector<std::string> keys = plan::member_keys(weight);
  return std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
    const TensorInfo t = model.tensor(key);
    return t.layout != "panel16" || t.splat;  // a splat is made in rows
  });
}

/// Takes back what is read otherwise.
class Uses {
 public:
  explicit Uses(std::vector<bool>& on_use) : on_use_(on_use) {}

  void look(const std::vector<plan::Step>& steps) {
    plan::each_step(steps, [this](const plan::Step& step) { std::visit([this](const auto& s) { look(s); }, step); });
  }
  const std::vector<const plan::Dispatch*>& dispatches() const { return dispatches_; }

 private:
  void refuse(int buffer) {
    if (buffer >= 0) on_use_[static_cast<std::size_t>(buffer)] = false;
  }
  void look(const plan::Swap&) {}
  void look(const plan::Copy& c) { refuse(c.from.buffer); }
  void look(const plan::Loop&) {}
  void look(const plan::Branch& b) { refuse(b.predicate.buffer); }
  void look(const plan::Dispatch& d) {
    dispatches_.push_back(&d);
    std::set<std::size_t> known;
    if (d.lookup.table >= 0) known.insert(static_cast<std::size_t>(d.lookup.table));
    for (const plan::ColumnParts::Weight& w : d.columns.weights)
      if (d.columns.weights.size() <= kMostWeights && w.rows_each % kernels::kPanelRows == 0) known.insert(w.operand);
    for (std::size_t o = 0; o < d.operands.size(); ++o)
      if (!known.contains(o) || d.operands[o].offset != plan::Size(0)) refuse(d.operands[o].buffer);
  }

  std::vector<bool>& on_use_;
  std::vector<const plan::Dispatch*> dispatches_;
};

std::int64_t row_bytes(const plan::Buffer& weight, const Model& model) {
  std::int64_t most = 0;
  for (const std::string& key : plan::member_keys(weight))
    most = std::max(most, plan::stored_row_bytes(model.tensor(key)));
  return most;
}

}  // namespace

LaidOut laid_out(const plan::Plan& plan, const Model& model) {
  LaidOut all = {.on_use = std::vector<bool>(plan.buffers.size())};
  if (plan.budget.bytes != 0) return all;
  for (std::size_t b = 0; b < plan.buffers.size(); ++b) all.on_use[b] = is_in_rows(plan.buffers[b], model);
  Uses uses(all.on_use);
  for (const plan::EntryPoint& e : plan.entries) uses.look(e.steps);
  for (const plan::Dispatch* d : uses.dispatches()) {
    std::int64_t bytes = 0;
    for (const plan::ColumnParts::Weight& w : d->columns.weights) {
      const auto buffer = static_cast<std::size_t>(d->operands[w.operand].buffer);
      if (!all.on_use[buffer]) continue;
      bytes += (w.rows_each * row_bytes(plan.buffers[buffer], model) + kLine - 1) / kLine * kLine;
    }
    all.passing_bytes = std::max(all.passing_bytes, bytes);
  }
  return all;
}

}  // namespace openinfer::emit
