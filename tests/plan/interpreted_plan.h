// SPDX-License-Identifier: Apache-2.0
// An executor for tests: runs a plan with the kernel interpreter, in an arena laid out as the plan says, so that a
// wrong lifetime, binding or size gives wrong numbers or an access outside of a buffer. Slow; knows no device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "codegen/plan/plan.h"
#include "openinfer/model.h"
#include "openinfer/tensor.h"

namespace plan_test {

class InterpretedPlan {
 public:
  /// `symbols`: those that entry points do not take from inputs, e.g. capacities of states.
  InterpretedPlan(const openinfer::plan::Plan& plan, const openinfer::Model* model,
                  std::map<std::string, std::int64_t> symbols = {});
  virtual ~InterpretedPlan() = default;

  /// One step through that entry point. Inputs bind symbols by their shapes.
  std::map<std::string, openinfer::Tensor> run(const std::string& entry,
                                               const std::map<std::string, openinfer::Tensor>& inputs);

  /// Fills the front of a state's tensor: "kv.keys".
  void set_state(const std::string& key, const openinfer::Tensor& tensor);

 protected:
  /// Called behind each dispatch.
  virtual void after(const openinfer::plan::Dispatch&) {}
  std::int64_t value(const openinfer::plan::Size& size) const;
  /// The bytes from the operand's start to the end of its buffer.
  std::span<std::byte> memory(const openinfer::plan::Operand& operand);

 private:
  std::int64_t value(std::string_view symbol) const;
  std::span<std::byte> weight(const openinfer::plan::Buffer& b, const openinfer::plan::Operand& operand);
  void bind(const openinfer::plan::EntryPoint& entry, const std::map<std::string, openinfer::Tensor>& inputs);
  void steps(const std::vector<openinfer::plan::Step>& list);
  void step(const openinfer::plan::Dispatch& d);
  void step(const openinfer::plan::Copy& c);
  void step(const openinfer::plan::Swap& s);
  void step(const openinfer::plan::Loop& l);
  void step(const openinfer::plan::Branch& b);

  const openinfer::plan::Plan& plan_;
  const openinfer::Model* model_;
  std::map<std::string, std::int64_t, std::less<>> symbols_;
  std::vector<int> at_;                      // by buffer: whose memory it is, after swaps
  std::vector<std::vector<std::byte>> own_;  // by buffer: inputs, outputs, states, constants
  std::map<std::pair<std::string, bool>, std::vector<std::byte>>
      weights_;  // in panels?; copies: nobody writes a package
  std::vector<std::byte> arena_;
  std::int64_t turn_ = 0;  // of all loops around, from 0, as Dispatch::variant counts
};

}  // namespace plan_test
