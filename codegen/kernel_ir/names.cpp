// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/names.h"

#include <map>
#include <set>

#include <fmt/format.h>

#include "codegen/kernel_ir/order.h"

namespace openinfer::kir {
namespace {

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
      const std::size_t outside = inner_.size();
      for (const std::string& p : f.parameter_names) take(p);
      assign(f.body);
      leave(outside);
    }
    count(k_.body, 0);
    decide(k_.body, kNoId);
    assign(k_.body);
    return std::move(names_);
  }

 private:
  void count(const std::vector<Id>& region, int depth) {
    for (const Id id : region) {
      const Node& n = k_[id];
      depth_[id] = depth;
      // A loop's condition is looked at in each turn, and where lanes share the turns its start is as well.
      const std::size_t once = n.op != Op::loop ? n.args.size() : n.deal == Deal::none ? 1 : 0;
      for (std::size_t i = 0; i < n.args.size(); ++i) {
        ++uses_[n.args[i]];
        deepest_[n.args[i]] = std::max(deepest_[n.args[i]], i < once ? depth : depth + 1);
        if (n.op == Op::loop) bounds_.emplace(n.args[i], n.name + (i == 0 ? "_start" : "_end"));
      }
      count(n.body, depth + 1);
      count(n.other, depth + 1);
    }
  }

  /// i + 1: cheaper to read than a name.
  bool is_simple(const Node& n) const {
    if (n.op != Op::add && n.op != Op::sub) return false;
    return is_atom(k_[n.args[0]]) && k_[n.args[1]].op == Op::constant;
  }
  /// A register (not one of a tile) is a name already; it only matters whether it has changed since.
  bool is_register(const Node& n) const { return n.op == Op::read && n.args.empty(); }

  bool needs_name(Id id, bool overtaken) const {
    const Node& n = k_[id];
    if (!n.name.empty() || info(n.op).lane_wide || overtaken) return true;
    if (is_simple(n)) return false;
    return (uses_[id] > 1 && !is_register(n)) || deepest_[id] > depth_[id];
  }

  /// Users stand behind what they use: going backwards, the place where a value would be printed last is known.
  void decide(const std::vector<Id>& region, Id result) {
    std::vector<std::size_t> changes(region.size() + 1, 0);  // memory changes before each place
    for (std::size_t i = 0; i < region.size(); ++i)
      changes[i + 1] = changes[i] + (changes_memory(k_[region[i]].op) ? 1 : 0);
    for (std::size_t i = region.size(); i-- > 0;) {
      const Id id = region[i];
      const Node& n = k_[id];
      decide(n.body, kNoId);
      decide(n.other, kNoId);
      std::size_t place = i;
      if (info(n.op).value) {
        const auto last = printed_.find(id);
        if (last != printed_.end()) place = last->second;
        const bool overtaken = info(n.op).pinned && changes[place] > changes[i];
        named_[id] = !is_atom(n) && id != result && needs_name(id, overtaken);
        if (named_[id]) place = i;
      }
      for (const Id arg : n.args) {
        if (depth_[arg] != depth_[id]) continue;
        const auto [at, first] = printed_.emplace(arg, place);
        if (!first) at->second = std::max(at->second, place);
      }
    }
  }

  bool take(const std::string& name) {
    const auto [at, first] = taken_.insert(name);
    if (first) inner_.push_back(at);
    return first;
  }
  /// Frees what was taken since inner_ had that size.
  void leave(std::size_t outside) {
    for (; inner_.size() > outside; inner_.pop_back()) taken_.erase(inner_.back());
  }
  std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int n = 2; !take(name); ++n) name = fmt::format("{}_{}", wanted, n);
    return name;
  }

  /// What to call a temporary that the author did not name.
  std::string suggestion(Id id) const {
    const Node& n = k_[id];
    if (!n.name.empty()) return n.name;
    if (const auto bound = bounds_.find(id); bound != bounds_.end()) return bound->second;
    const auto ref = static_cast<std::size_t>(n.ref);
    if (n.op == Op::load) {
      const Buffer& b = k_.buffers[ref];
      if (n.field < 0) return b.name + "_value";
      return k_.records[static_cast<std::size_t>(b.record)].fields[static_cast<std::size_t>(n.field)].name;
    }
    if (n.op == Op::read) return k_.variables[ref].name + "_before";
    if (n.op == Op::call) return k_.functions[ref].name + "_value";
    if (info(n.op).lane_wide) {
      const Node& of = k_[n.args[0]];
      return of.op == Op::read ? k_.variables[static_cast<std::size_t>(of.ref)].name + "_all" : "all";
    }
    if (n.type.kind == Kind::b1) return "is";
    return n.type.kind == Kind::i32 ? "at" : "t";
  }

  void assign(const std::vector<Id>& region) {
    const std::size_t outside = inner_.size();
    for (const Id id : region) {
      const Node& n = k_[id];
      if (named_[id]) names_.values[id] = unique(suggestion(id));
      if (n.op == Op::declare) {
        const auto ref = static_cast<std::size_t>(n.ref);
        names_.variables[ref] = unique(k_.variables[ref].name);
      }
      if (n.op == Op::loop) {
        const std::size_t before = inner_.size();
        names_.values[n.index] = unique(n.name);
        assign(n.body);
        leave(before);
      }
      if (n.op == Op::if_) {
        assign(n.body);
        assign(n.other);
      }
    }
    leave(outside);
  }

  const Kernel& k_;
  std::vector<int> uses_;
  std::vector<int> depth_, deepest_;  // of the regions where a value is made and used
  std::vector<bool> named_;
  std::map<Id, std::size_t> printed_;  // the last place in its region where a value would be printed
  std::map<Id, std::string> bounds_;   // what is a bound of a loop: a name for it
  std::set<std::string, std::less<>> taken_;
  std::vector<std::set<std::string, std::less<>>::iterator> inner_;  // those of the regions at hand, in order
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
