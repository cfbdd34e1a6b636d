// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/ramp.h"

namespace openinfer::kir {
namespace {

using Stride = std::optional<std::int64_t>;

Stride stride_of(const Kernel& k, const Node& n, const std::vector<Stride>& known) {
  if (n.type.kind != Kind::i32) return std::nullopt;
  if (n.type.rate != Rate::lane) return 0;
  if (n.op == Op::lane) return 1;
  if (n.op == Op::index) {
    const Node& loop = k[n.owner];
    return loop.share == 1 ? Stride(1) : std::nullopt;
  }
  if (n.args.size() != 2 || info(n.op).pinned || n.op == Op::call) return std::nullopt;
  const Stride a = known[n.args[0]], b = known[n.args[1]];
  if (!a || !b) return std::nullopt;
  if (n.op == Op::add) return *a + *b;
  if (n.op == Op::sub) return *a - *b;
  if (n.op != Op::mul) return std::nullopt;
  const Node &left = k[n.args[0]], &right = k[n.args[1]];
  if (right.op == Op::constant) return *a * right.integer;
  if (left.op == Op::constant) return *b * left.integer;
  return std::nullopt;
}

void walk(const Kernel& k, const std::vector<Id>& region, std::vector<Stride>& strides) {
  for (const Id id : region) {
    const Node& n = k[id];
    if (n.op == Op::loop) strides[n.index] = stride_of(k, k[n.index], strides);
    if (info(n.op).value) strides[id] = stride_of(k, n, strides);
    walk(k, n.body, strides);
    walk(k, n.other, strides);
  }
}

}  // namespace

std::vector<Stride> find_ramps(const Kernel& kernel) {
  std::vector<Stride> strides(kernel.nodes.size());
  walk(kernel, kernel.body, strides);
  return strides;
}

bool load_neighbours(const Kernel& k, const std::vector<Stride>& ramps, Id first, Id second) {
  const Node &a = k[first], &b = k[second];
  if (a.op != Op::load || b.op != Op::load || a.ref != b.ref || a.field >= 0) return false;
  const Node& behind = k[b.args[0]];
  return ramps[a.args[0]] == 2 && behind.op == Op::add && behind.args[0] == a.args[0] &&
         k[behind.args[1]].op == Op::constant && k[behind.args[1]].integer == 1;
}

}  // namespace openinfer::kir
