// SPDX-License-Identifier: Apache-2.0
#include "codegen/emit/cpp_tiles.h"

#include <algorithm>
#include <vector>

#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using kir::Id;
using kir::Kind;
using kir::Node;
using kir::Op;

/// What the registers hold as statements go by.
class Registers {
 public:
  explicit Registers(const kir::Kernel& k) : k_(k) {}
  void region(const std::vector<Id>& nodes) {
    for (const Id id : nodes) one(id);
  }

 private:
  void check(bool holds, std::string_view rule) const {
    if (!holds) fail(ErrorCode::internal, "[emit] kernel {}: tile registers {}", k_.name, rule);
  }
  bool is_sum(int variable) const { return k_.variables[static_cast<std::size_t>(variable)].type.kind == Kind::mma_c; }
  void one(Id id) {
    const Node& n = k_[id];
    if (n.op == Op::mma_load) {
      check(n.type.kind != Kind::mma_c, "of sums start at zero");
      (n.type.kind == Kind::mma_a ? a_ : b_) = id;
    } else if (n.op == Op::mma) {
      const Node& c = k_[n.args[2]];
      check(n.args[0] == a_ && n.args[1] == b_, "hold the operands that were loaded last");
      check(c.op == Op::read && c.ref == sum_, "hold one fragment of sums, in a variable");
      product_ = id;
    } else if (n.op == Op::declare && is_sum(n.ref)) {
      check(k_.variables[static_cast<std::size_t>(n.ref)].count == 1, "hold one fragment of sums");
      check(k_[n.args[0]].op == Op::constant, "of sums start at zero");
      sum_ = n.ref;
    } else if (n.op == Op::write && is_sum(n.ref)) {
      check(n.ref == sum_ && n.args.back() == product_, "are written by products alone");
    } else if (n.op == Op::mma_store) {
      const Node& c = k_[n.args[2]];
      check(c.op == Op::read && c.ref == sum_, "hold one fragment of sums, in a variable");
    }
    region(n.body);
    region(n.other);
  }

  const kir::Kernel& k_;
  Id a_ = kir::kNoId, b_ = kir::kNoId, product_ = kir::kNoId;
  int sum_ = -1;  // the variable that is alive
};

}  // namespace

bool has_tiles(const kir::Kernel& kernel) {
  return std::any_of(kernel.variables.begin(), kernel.variables.end(),
                     [](const kir::Variable& v) { return is_fragment(v.type.kind); }) ||
         std::any_of(kernel.nodes.begin(), kernel.nodes.end(), [](const Node& n) { return is_fragment(n.type.kind); });
}

void check_tiles(const kir::Kernel& kernel) {
  if (!has_tiles(kernel)) return;
  const MmaShape& shape = *kernel.target.mma;
  if (shape != kCppTiles || kernel.target.lanes != 16)
    fail(ErrorCode::unsupported,
         "[emit] kernel {}: C++ has no fragments of matrices but 32x32x32 of bf16 with sixteen lanes, not {}x{}x{} of "
         "{} with {}",
         kernel.name, shape.m, shape.n, shape.k, name(shape.operand), kernel.target.lanes);
  Registers(kernel).region(kernel.body);
}

}  // namespace openinfer::emit
