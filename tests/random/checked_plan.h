// SPDX-License-Identifier: Apache-2.0
// What `model --check` does on a device, with the kernel interpreter: recorded steps are replayed, every value that a
// dispatch leaves is held to the simulator's within its bound, and then is the simulator's.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "formats/opnf/reader.h"
#include "tests/plan/interpreted_plan.h"

namespace openinfer::random_graphs {

class CheckedPlan : public plan_test::InterpretedPlan {
 public:
  /// `data`: what check::record made of the plan, which has taps.
  CheckedPlan(const plan::Plan& plan, const Model& model, const opnf::Reader& data);

  std::size_t steps() const;
  std::string entry(std::size_t step) const;
  static std::map<std::string, std::int64_t> sizes(const opnf::Reader& data);
  std::map<std::string, Tensor> inputs(std::size_t step) const;
  /// The step's outputs. What was out of bounds, a line each, is in failures().
  std::map<std::string, Tensor> replay(std::size_t step);
  const std::vector<std::string>& failures() const { return failures_; }
  std::size_t compared() const { return compared_; }
  /// Of those, how many may be anything, by the operator that ends their dispatch.
  const std::map<std::string, std::size_t>& unbounded() const { return unbounded_; }

 protected:
  void after(const plan::Dispatch& dispatch) override;

 private:
  void compare(std::size_t tap);
  std::string op_of(std::size_t tap) const;

  const plan::Plan& plan_;
  const opnf::Reader& data_;
  std::map<const plan::Dispatch*, std::vector<std::size_t>> taps_;
  std::vector<std::size_t> turns_;  // by tap
  std::size_t step_ = 0;
  std::vector<std::string> failures_;
  std::size_t compared_ = 0;  // elements
  std::map<std::string, std::size_t> unbounded_;
};

/// The same bits; of floats, a NaN is a NaN. "" if so, else where not.
std::string difference(const Tensor& found, const Tensor& wanted);

}  // namespace openinfer::random_graphs
