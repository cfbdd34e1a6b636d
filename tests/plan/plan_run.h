// SPDX-License-Identifier: Apache-2.0
// Runs a plan in the interpreter of kernels: what a plan means, for tests. No weights.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "codegen/plan/plan.h"

namespace openinfer::plan {

class PlanRun {
 public:
  explicit PlanRun(const Plan& plan);
  /// Memory of the buffer with that key: an input, an output, "kv.keys".
  std::vector<std::byte>& memory(const std::string& key);
  void set(const std::string& key, const Tensor& tensor);
  template <class T>
  std::vector<T> get(const std::string& key, std::size_t count) {
    const auto* first = reinterpret_cast<const T*>(memory(key).data());
    return {first, first + count};
  }
  /// One step of the first entry point.
  void run(const std::map<std::string, std::int64_t>& symbols);

 private:
  void steps(const std::vector<Step>& steps);
  void step(const Dispatch& d);
  void step(const Copy& c);
  void step(const Swap& s);
  void step(const Loop& l);
  void step(const Branch& b);
  std::int64_t value(const Size& size) const;
  std::span<std::byte> place(const Operand& operand);

  const Plan& plan_;
  std::vector<std::vector<std::byte>> memory_;  // by buffer
  std::map<std::string, std::int64_t, std::less<>> symbols_;
};

}  // namespace openinfer::plan
