// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/alike.h"

#include <algorithm>

namespace openinfer::plan {

bool Alike::operator()(const std::vector<Step>& a, const std::vector<Step>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](const Step& one, const Step& other) { return same(one, other); });
}

bool Alike::same(const Step& a, const Step& b) {
  if (const auto* one = std::get_if<Dispatch>(&a)) {
    const auto* other = std::get_if<Dispatch>(&b);
    return other && same(*one, *other);
  }
  const auto *one = std::get_if<Copy>(&a), *other = std::get_if<Copy>(&b);
  return one && other && same(one->from, other->from) && same(one->to, other->to) && one->elements == other->elements;
}

bool Alike::same(const Dispatch& a, const Dispatch& b) {
  const auto operands = [&](const Operand& one, const Operand& other) { return same(one, other); };
  const auto factors = [](const GridFactor& one, const GridFactor& other) {
    return one.size == other.size && one.divide == other.divide;
  };
  const auto results = [&](const Result& one, const Result& other) {
    return one.id == other.id && one.elements == other.elements && same(one.place, other.place);
  };
  return std::equal(a.operands.begin(), a.operands.end(), b.operands.begin(), b.operands.end(), operands) &&
         a.params == b.params && std::equal(a.grid.begin(), a.grid.end(), b.grid.begin(), b.grid.end(), factors) &&
         std::equal(a.results.begin(), a.results.end(), b.results.begin(), b.results.end(), results) &&
         a.lookup == b.lookup;
}

bool Alike::same(const Operand& a, const Operand& b) {
  return same_buffer(a.buffer, b.buffer) && a.member == b.member && a.offset == b.offset;
}

bool Alike::same_buffer(int a, int b) {
  if (a == b) return true;
  if (a < first_ || b < second_) return false;
  const Buffer &one = buffers_[static_cast<std::size_t>(a)], &other = buffers_[static_cast<std::size_t>(b)];
  if (one.role != Role::scratch || other.role != Role::scratch) return false;
  const auto known =
      std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& p) { return p.first == a || p.second == b; });
  if (known != pairs_.end()) return *known == std::pair(a, b);
  pairs_.emplace_back(a, b);
  return one.dtype == other.dtype && one.shape == other.shape;
}

}  // namespace openinfer::plan
