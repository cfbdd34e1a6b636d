// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/races.h"

namespace openinfer::kir {

void Races::next_group() {
  ++group_;
  ++epoch_;
}

bool Races::concurrent(const Touch& touch, int invocation) const {
  if (touch.invocation == kNobody) return false;
  if (touch.group != group_) return !shared_;  // shared memory is another in each group
  return touch.epoch == epoch_ && (touch.invocation != invocation || invocation == kSeveral);
}

/// `before`, and this access after it: those of several, in one workgroup or in several, stay known.
Races::Touch Races::with(const Touch& before, int invocation) const {
  const bool nobody = before.invocation == kNobody || (shared_ && before.group != group_);
  if (!nobody && before.group != group_) return {kSeveral, epoch_, kSeveral};
  const bool again = !nobody && before.epoch == epoch_;
  return {group_, epoch_, again && before.invocation != invocation ? kSeveral : invocation};
}

std::string_view Races::read(std::int64_t place, int invocation) {
  Place& p = places_[place];
  if (concurrent(p.written, invocation)) return "reads what another wrote with no barrier between";
  p.read = with(p.read, invocation);
  return {};
}

std::string_view Races::write(std::int64_t place, int invocation, Bits value) {
  Place& p = places_[place];
  if (concurrent(p.read, invocation)) return "writes what another reads with no barrier between";
  if (concurrent(p.written, invocation) && p.value != value) return "writes another value than another lane does";
  p.written = with(p.written, invocation);
  p.value = value;
  return {};
}

}  // namespace openinfer::kir
