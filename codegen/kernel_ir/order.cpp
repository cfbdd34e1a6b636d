// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/order.h"

#include <utility>

namespace openinfer::kir {
namespace {

/// Which nodes and variables matter: what a store, a barrier or a prefetch depends on.
class Liveness {
 public:
  explicit Liveness(const Kernel& k) : k_(k), parent_(k.nodes.size(), kNoId), live_(k.nodes.size()) {
    live_variables_.resize(k.variables.size());
    writers_.resize(k.variables.size());
    survey(k.body, kNoId);
    roots(k.body);
    for (const Function& f : k.functions) mark(f.result);
    while (!work_.empty()) {
      const Id id = work_.back();
      work_.pop_back();
      visit(id);
    }
  }
  bool live(Id id) const { return live_[id]; }
  bool live_variable(int variable) const { return live_variables_[static_cast<std::size_t>(variable)]; }

 private:
  void survey(const std::vector<Id>& region, Id parent) {
    for (const Id id : region) {
      const Node& n = k_[id];
      parent_[id] = parent;
      if (n.op == Op::write || n.op == Op::turn || n.op == Op::declare)
        writers_[static_cast<std::size_t>(n.ref)].push_back(id);
      survey(n.body, id);
      survey(n.other, id);
    }
  }
  void roots(const std::vector<Id>& region) {
    for (const Id id : region) {
      const Op op = k_[id].op;
      if (op == Op::store || op == Op::mma_store || op == Op::barrier || op == Op::prefetch) mark(id);
      roots(k_[id].body);
      roots(k_[id].other);
    }
  }
  void mark(Id id) {
    if (live_[id]) return;
    live_[id] = true;
    work_.push_back(id);
  }
  void visit(Id id) {
    const Node& n = k_[id];
    for (const Id arg : n.args) mark(arg);
    if (n.op == Op::index) mark(n.owner);
    if (n.op == Op::loop) mark(n.index);
    if (parent_[id] != kNoId) mark(parent_[id]);
    if (n.op != Op::read || live_variables_[static_cast<std::size_t>(n.ref)]) return;
    live_variables_[static_cast<std::size_t>(n.ref)] = true;
    for (const Id writer : writers_[static_cast<std::size_t>(n.ref)]) mark(writer);
  }

  const Kernel& k_;
  std::vector<Id> parent_;  // the loop or branch that a node stands in
  std::vector<bool> live_, live_variables_;
  std::vector<std::vector<Id>> writers_;
  std::vector<Id> work_;
};

/// Nodes in sets of which no two hold the same one: for each the number of its set, 0: none.
class Sets {
 public:
  explicit Sets(std::size_t nodes) : set_of_(nodes) {}
  int make() { return ++sets_; }
  /// Was it not there?
  bool insert(Id id, int set) { return std::exchange(set_of_[id], set) != set; }
  void erase(Id id) { set_of_[id] = 0; }
  bool contains(Id id, int set) const { return set_of_[id] == set; }

 private:
  std::vector<int> set_of_;
  int sets_ = 0;
};

bool is_statement(const Node& n) { return !info(n.op).value; }
/// May what was read before it read differently behind it?
class Order {
 public:
  explicit Order(const Kernel& from)
      : from_(from),
        alive_(from),
        mapped_(from.nodes.size(), kNoId),
        wanted_(from.nodes.size()),
        earlier_(from.nodes.size()),
        seen_(from.nodes.size()) {
    to_.name = from.name;
    to_.provenance = from.provenance;
    to_.target = from.target;
    to_.records = from.records;
    to_.buffers = from.buffers;
    to_.params = from.params;
    for (std::size_t i = 0; i < from.variables.size(); ++i) {
      variables_.push_back(static_cast<int>(to_.variables.size()));
      if (alive_.live_variable(static_cast<int>(i))) to_.variables.push_back(from.variables[i]);
    }
  }

  Kernel run() {
    for (const Function& f : from_.functions) function(f);
    to_.body = region(from_.body);
    return std::move(to_);
  }

 private:
  /// Adds the nodes of a region that a statement needs to `order`, by first use; `wanted` holds what is not placed yet.
  void uses(Id id, int seen, int wanted, std::vector<Id>& order) {
    const Node& n = from_[id];
    for (const Id arg : n.args) {
      if (!seen_.insert(arg, seen)) continue;
      uses(arg, seen, wanted, order);
      if (wanted_.contains(arg, wanted)) order.push_back(arg);
    }
    for (const auto* body : {&n.body, &n.other})
      for (const Id inner : *body)
        if (is_statement(from_[inner]) && alive_.live(inner)) uses(inner, seen, wanted, order);
  }
  std::vector<Id> uses(Id id, int wanted) {
    std::vector<Id> order;
    uses(id, seen_.make(), wanted, order);
    return order;
  }

  void place(Id id, std::vector<Id>& out) {
    wanted_.erase(id);
    out.push_back(copy(id));
  }

  std::vector<Id> region(const std::vector<Id>& nodes) {
    std::vector<Id> out, order;
    const int wanted = wanted_.make(), seen = seen_.make();
    for (const Id id : nodes)
      if (!is_statement(from_[id]) && alive_.live(id)) wanted_.insert(id, wanted);
    for (const Id id : nodes)
      if (is_statement(from_[id]) && alive_.live(id)) uses(id, seen, wanted, order);
    const int earlier = earlier_.make();  // what was written before the statement at hand
    for (const Id id : nodes) {
      if (!is_statement(from_[id])) {
        earlier_.insert(id, earlier);
        continue;
      }
      if (!keep(id)) continue;
      if (changes_memory(from_[id].op)) pinned(order, earlier, wanted, out);
      for (const Id value : uses(id, wanted)) place(value, out);
      out.push_back(copy(id));
    }
    return out;
  }

  /// Comments stay with what they stand in.
  bool keep(Id id) const { return alive_.live(id) || from_[id].op == Op::comment; }

  /// Places the loads and reads that were written before this point, and what they need.
  void pinned(const std::vector<Id>& order, int earlier, int wanted, std::vector<Id>& out) {
    for (const Id id : order) {
      if (!wanted_.contains(id, wanted) || !earlier_.contains(id, earlier) || !info(from_[id].op).pinned) continue;
      for (const Id value : uses(id, wanted)) place(value, out);
      place(id, out);
    }
  }

  Id copy(Id id) {
    const Node& n = from_[id];
    const Id now = static_cast<Id>(to_.nodes.size());
    mapped_[id] = now;
    to_.nodes.push_back(n);
    for (Id& arg : to_.nodes[now].args) arg = mapped_[arg];
    if (n.op == Op::read || n.op == Op::write || n.op == Op::turn || n.op == Op::declare)
      to_.nodes[now].ref = variables_[static_cast<std::size_t>(n.ref)];
    if (n.op == Op::loop) {
      const Id index = copy(n.index);
      to_.nodes[index].owner = now;
      to_.nodes[now].index = index;
    }
    if (n.op != Op::loop && n.op != Op::if_) return now;
    std::vector<Id> body = region(n.body), other = region(n.other);
    to_.nodes[now].body = std::move(body);
    to_.nodes[now].other = std::move(other);
    return now;
  }

  void function(const Function& f) {
    Function g = f;
    g.body.clear();
    const int wanted = wanted_.make();
    for (const Id id : f.body) wanted_.insert(id, wanted);
    for (const Id id : uses(f.result, wanted)) place(id, g.body);
    if (wanted_.contains(f.result, wanted)) place(f.result, g.body);
    g.result = mapped_[f.result];
    to_.functions.push_back(std::move(g));
  }

  const Kernel& from_;
  Liveness alive_;
  Kernel to_;
  std::vector<Id> mapped_;
  Sets wanted_, earlier_, seen_;  // of each region; seen_ of each search
  std::vector<int> variables_;
};

}  // namespace

bool changes_memory(Op op) {
  return op == Op::write || op == Op::turn || op == Op::store || op == Op::mma_store || op == Op::loop ||
         op == Op::if_ || op == Op::barrier;
}

Kernel in_canonical_order(const Kernel& kernel) { return Order(kernel).run(); }

}  // namespace openinfer::kir
