// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/names.h"

#include <set>

#include <fmt/format.h>

namespace openinfer::kir {
namespace {

bool changes_memory(Op op) {
  return op == Op::write || op == Op::store || op == Op::loop || op == Op::if_ || op == Op::barrier;
}

class Naming {
 public:
  Naming(const Kernel& k, std::span<const std::string_view> reserved)
      : k_(k), uses_(k.nodes.size()), depth_(k.nodes.size(), -1), deepest_(k.nodes.size(), -1), named_(k.nodes.size()) {
    names_.values.resize(k.nodes.size());
    names_.variables.resize(k.variables.size());
    for (const std::string_view word : reserved) taken_.emplace(word);
    for (const Buffer& b : k.buffers) taken_.insert(b.name);
    for (const std::string& p : k.params) taken_.insert(p);
    for (const Function& f : k.functions) taken_.insert(f.name);
  }

  Names run() {
    for (const Function& f : k_.functions) {
      count(f.body, 0);
      ++uses_[f.result];
      decide(f.body, f.result);
      const std::set<std::string, std::less<>> outside = taken_;
      for (const std::string& p : f.parameter_names) taken_.insert(p);
      assign(f.body);
      taken_ = outside;
    }
    count(k_.body, 0);
    decide(k_.body, kNoId);
    assign(k_.body);
    return std::move(names_);
  }

 private:
  void count(const std::vector<Id>& region, int depth) {
    for (const Id id : region) {
      depth_[id] = depth;
      for (const Id arg : k_[id].args) {
        ++uses_[arg];
        deepest_[arg] = std::max(deepest_[arg], depth);
      }
      count(k_[id].body, depth + 1);
      count(k_[id].other, depth + 1);
    }
  }

  /// i + 1, k * 4: cheaper to read than a name.
  bool is_simple(const Node& n) const {
    if (n.op != Op::add && n.op != Op::sub) return false;
    return is_atom(k_[n.args[0]]) && k_[n.args[1]].op == Op::constant;
  }

  /// Users stand behind what they use: going backwards, the place where a value would be printed is known.
  void decide(const std::vector<Id>& region, Id result) {
    std::vector<std::size_t> printed(k_.nodes.size(), region.size());  // place in the region where it would be printed
    std::vector<std::size_t> changes(region.size() + 1, 0);            // memory changes before each place
    for (std::size_t i = 0; i < region.size(); ++i)
      changes[i + 1] = changes[i] + (changes_memory(k_[region[i]].op) ? 1 : 0);
    for (std::size_t i = region.size(); i-- > 0;) {
      const Id id = region[i];
      const Node& n = k_[id];
      decide(n.body, kNoId);
      decide(n.other, kNoId);
      if (info(n.op).value && !is_atom(n) && id != result) {
        const bool used_deeper = deepest_[id] > depth_[id];
        const bool overtaken = info(n.op).pinned && printed[id] < region.size() && changes[printed[id]] > changes[i];
        named_[id] = !n.name.empty() || info(n.op).lane_wide || (uses_[id] > 1 && !is_simple(n)) ||
                     (used_deeper && !is_simple(n)) || overtaken;
      }
      const std::size_t place = named_[id] || !info(n.op).value ? i : printed[id];
      for (const Id arg : n.args)
        if (depth_[arg] == depth_[id]) printed[arg] = std::min(printed[arg], place);
    }
  }

  std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int n = 2; !taken_.insert(name).second; ++n) name = fmt::format("{}_{}", wanted, n);
    return name;
  }

  /// What to call a temporary that the author did not name.
  std::string suggestion(const Node& n) const {
    if (!n.name.empty()) return n.name;
    if (n.op == Op::load) {
      const Buffer& b = k_.buffers[static_cast<std::size_t>(n.ref)];
      if (n.field < 0) return b.name + "_value";
      return k_.records[static_cast<std::size_t>(b.record)].fields[static_cast<std::size_t>(n.field)].name;
    }
    if (n.op == Op::read) return k_.variables[static_cast<std::size_t>(n.ref)].name + "_before";
    if (n.op == Op::call) return k_.functions[static_cast<std::size_t>(n.ref)].name + "_value";
    if (n.op == Op::lane_sum || n.op == Op::lane_max || n.op == Op::lane_min) return "all";
    return n.type.kind == Kind::b1 ? "is" : n.type.kind == Kind::i32 ? "at" : "t";
  }

  void assign(const std::vector<Id>& region) {
    const std::set<std::string, std::less<>> outside = taken_;
    for (const Id id : region) {
      const Node& n = k_[id];
      if (named_[id]) names_.values[id] = unique(suggestion(n));
      if (n.op == Op::declare) {
        const auto ref = static_cast<std::size_t>(n.ref);
        names_.variables[ref] = unique(k_.variables[ref].name);
      }
      if (n.op == Op::loop) {
        const std::set<std::string, std::less<>> before = taken_;
        names_.values[n.index] = unique(n.name);
        assign(n.body);
        taken_ = before;
      }
      if (n.op == Op::if_) {
        assign(n.body);
        assign(n.other);
      }
    }
    taken_ = outside;
  }

  const Kernel& k_;
  std::vector<int> uses_;
  std::vector<int> depth_, deepest_;  // of the regions where a value is made and used
  std::vector<bool> named_;
  std::set<std::string, std::less<>> taken_;
  Names names_;
};

}  // namespace

bool is_atom(const Node& n) {
  return n.op == Op::constant || n.op == Op::param || n.op == Op::group || n.op == Op::subgroup || n.op == Op::lane ||
         n.op == Op::index || n.op == Op::argument;
}

Names choose_names(const Kernel& kernel, std::span<const std::string_view> reserved) {
  return Naming(kernel, reserved).run();
}

}  // namespace openinfer::kir
