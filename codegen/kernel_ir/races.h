// SPDX-License-Identifier: Apache-2.0
// Who touched which place of memory last: what the interpreter needs to see races.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "codegen/kernel_ir/scalar_ops.h"

namespace openinfer::kir {

/// The places of one buffer. An invocation is a lane of a subgroup by its number in the workgroup.
class Races {
 public:
  /// Code that several invocations run alike, as one of them.
  static constexpr int kSeveral = -2;

  explicit Races(bool shared = false) : shared_(shared) {}
  void barrier() { ++epoch_; }
  void next_group();
  /// What is wrong with that access; empty: nothing.
  std::string_view read(std::int64_t place, int invocation);
  std::string_view write(std::int64_t place, int invocation, Bits value);

 private:
  static constexpr int kNobody = -1;
  struct Touch {
    std::int64_t group = -1, epoch = -1;  // kSeveral: of several groups
    int invocation = kNobody;
  };
  struct Place {
    Touch written, read;
    Bits value = 0;
  };
  Touch with(const Touch& before, int invocation) const;
  /// Did another invocation, as far as this one may know at the same time, do `touch`?
  bool concurrent(const Touch& touch, int invocation) const;

  bool shared_;
  std::int64_t group_ = 0, epoch_ = 0;
  std::unordered_map<std::int64_t, Place> places_;
};

}  // namespace openinfer::kir
