// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "codegen/kernels/panel_code.h"
#include "codegen/plan/members.h"
#include "lib/base/fail.h"
#include "lib/passes/fused_group.h"
#include "openinfer/model.h"

namespace openinfer::plan {
namespace {

using kernels::Layout;

/// What is known of one weight.
struct Weight {
  bool multiplied = false, looked_up = false;
  std::string against = {};  // why not panels
};

class Layouts {
 public:
  explicit Layouts(const GraphData& g) : g_(g), weights_(g.weights.size()) {
    for (std::size_t w = 0; w < weights_.size(); ++w) weights_[w].against = stored(g_.weights[w]);
    for (NodeId n = 0; n < g_.nodes.size(); ++n) look(g_.nodes[n]);
    for (const Region& r : g_.regions)
      for (const ValueId v : r.results) refuse(v, "it leaves its region as a value");
    for (const OutputDecl& o : g_.outputs) refuse(o.value, "it is an output");
    siblings();
  }

  std::vector<LayoutChoice> choose() const {
    std::vector<LayoutChoice> all(weights_.size());
    std::set<std::string> in_panels;  // tensors
    for (std::size_t w = 0; w < weights_.size(); ++w) {
      if (!weights_[w].multiplied) continue;
      if (!weights_[w].against.empty()) {
        if (may_be_panels(w)) all[w].reason = weights_[w].against;
        continue;
      }
      all[w] = {Layout::panel16, weights_[w].looked_up ? "lanes are its rows; rows are looked up in the panels"
                                                       : "lanes are its rows, in one stream"};
      for (std::string& key : tensors(w)) in_panels.insert(std::move(key));
    }
    for (std::size_t w = 0; w < weights_.size(); ++w)
      if (!weights_[w].multiplied && weights_[w].against.empty()) all[w] = looked_up(w, in_panels);
    return all;
  }

 private:
  /// Why the tensors cannot be panels; empty: they can.
  std::string stored(const WeightDecl& w) const {
    for (const DType dtype : w.dtypes)
      if (!kernels::has_panel_code(dtype)) return fmt::format("{} has no panels", openinfer::name(dtype));
    if (!g_.model || w.shape.size() != 2) return "it is no matrix of the package";
    const std::vector<std::string> keys = keys_of(w);
    if (keys.empty() || !g_.model->contains(keys.front())) return "it has no tensor";
    const std::int64_t rows = w.shape[is_transposed(w) ? 1 : 0].constant();
    if (rows % kernels::kPanelRows != 0) return fmt::format("{} rows are no whole panels of 16", rows);
    return {};
  }
  static std::vector<std::string> keys_of(const WeightDecl& w) {
    return member_keys({.name = {}, .key = w.pattern, .ranges = w.ranges});
  }
  bool is_transposed(const WeightDecl& w) const { return g_.model->tensor(keys_of(w).front()).transposed; }
  bool may_be_panels(std::size_t w) const {
    const auto& dtypes = g_.weights[w].dtypes;
    return std::any_of(dtypes.begin(), dtypes.end(), kernels::has_panel_code);
  }
  /// The tensors that hold its bytes: what aliases stand for.
  std::vector<std::string> tensors(std::size_t w) const {
    std::vector<std::string> all;
    for (const std::string& key : keys_of(g_.weights[w])) {
      const TensorInfo t = g_.model->tensor(key);
      all.emplace_back(t.alias_of.empty() ? std::string_view(key) : t.alias_of);
    }
    return all;
  }

  Weight* weight_of(ValueId v) {
    if (v == kNoValue || g_.values[v].node == kNoNode) return nullptr;
    const Node& n = g_.nodes[g_.values[v].node];
    return n.op == &weight_op() ? &weights_[static_cast<std::size_t>(n.decl)] : nullptr;
  }
  void refuse(ValueId v, std::string why) {
    if (Weight* w = weight_of(v); w && w->against.empty()) w->against = std::move(why);
  }

  void look(const Node& n) {
    for (std::size_t i = 0; i < n.operands.size(); ++i) {
      const ValueId v = n.operands[i];
      Weight* w = weight_of(v);
      if (!w) continue;
      w->multiplied = w->multiplied || (is_product(n) && i == 1);
      if (!w->against.empty()) continue;
      const WeightDecl& decl = g_.weights[static_cast<std::size_t>(w - weights_.data())];
      if (is_product(n) && i == 1)
        w->against = product(n, decl);
      else if (n.op->name == "gather" && i == 0)
        w->against = gather(n, decl);
      else
        w->against = fmt::format("{} reads it in rows", n.op->name);
      w->looked_up = w->looked_up || n.op->name == "gather";
    }
  }
  template <class T>
  T attribute(const Node& n, std::string_view name) const {
    return std::get<T>(attribute_or_fallback(n, name));
  }
  std::string product(const Node& n, const WeightDecl& w) const {
    const bool by_rows = attribute<bool>(n, "transpose_w") != is_transposed(w);
    if (!by_rows) return fmt::format("{} reads it along the columns", n.op->name);
    if (g_.values[n.operands[0]].type.dtype == DType::f64) return "sums over panels are f32";
    return {};
  }
  std::string gather(const Node& n, const WeightDecl& w) const {
    const bool rows = attribute<std::int64_t>(n, "axis") == 0 && !is_transposed(w);
    return rows ? "" : "gather looks up columns";
  }

  /// One dispatch reads all its weights alike.
  void siblings() {
    std::map<int, std::vector<Weight*>> groups;
    for (const Node& n : g_.nodes)
      if (is_product(n) && n.fused >= 0)
        if (Weight* w = weight_of(n.operands[1])) groups[n.fused].push_back(w);
    for (bool changed = true; changed;) {
      changed = false;
      for (auto& [number, all] : groups) {
        const auto stays = std::find_if(all.begin(), all.end(), [](const Weight* w) { return !w->against.empty(); });
        if (stays == all.end()) continue;
        const auto& key = g_.weights[static_cast<std::size_t>(*stays - weights_.data())].pattern;
        for (Weight* w : all) {
          if (!w->against.empty()) continue;
          w->against = fmt::format("read together with {}, which stays in rows", key);
          changed = true;
        }
      }
    }
  }

  LayoutChoice looked_up(std::size_t w, const std::set<std::string>& in_panels) const {
    if (!weights_[w].looked_up) return {};
    const std::vector<std::string> keys = tensors(w);
    const auto all = [&](const auto& holds) { return std::all_of(keys.begin(), keys.end(), holds); };
    if (all([&](const std::string& key) { return in_panels.contains(key); }))
      return {Layout::panel16, "the tensor is in panels for a product; rows are looked up there"};
    if (all([&](const std::string& key) { return g_.model->tensor(key).layout == "panel16"; }))
      return {Layout::panel16, "as the package has it"};
    return {};
  }

  const GraphData& g_;
  std::vector<Weight> weights_;
};

}  // namespace

std::vector<LayoutChoice> choose_layouts(const GraphData& g, const kir::Target& target) {
  if (!target.panels) return std::vector<LayoutChoice>(g.weights.size());
  return Layouts(g).choose();
}

std::string_view name(kernels::Layout layout) { return layout == kernels::Layout::rows ? "rows" : "panel16"; }

}  // namespace openinfer::plan
