// SPDX-License-Identifier: Apache-2.0
// How host C++ calls the buffers of a plan and which type their elements have: shared by the parts of host/model.cpp.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/emit/laid_out.h"
#include "codegen/plan/plan.h"

namespace openinfer::emit {

/// Identifiers of one scope of C++ source.
class HostNames {
 public:
  /// `wanted`, or with a number behind it: no keyword, nothing that the host code uses, nothing given out before.
  std::string take(std::string_view wanted);

 private:
  std::set<std::string, std::less<>> taken_;
};

/// "float", "f16", "q8_0": the elements of a kernel's buffer, as kernels spell them.
std::string element_type(const kir::Kernel& kernel, const kir::Buffer& buffer);
/// The same of a dtype with elements of its own. Errors: unsupported for packed ones, which `what` names.
std::string element_type(DType dtype, std::string_view what);
/// Where host code stands: "float", "kernel::f16".
std::string host_type(const std::string& element);

/// Names and types of the buffers that outlive a step; scratch has names of its own in each entry point.
class HostBuffers {
 public:
  explicit HostBuffers(const plan::Plan& plan, LaidOut laid_out = {});

  const plan::Plan& plan() const { return plan_; }
  const plan::Buffer& operator[](int buffer) const { return plan_.buffers[static_cast<std::size_t>(buffer)]; }
  /// The buffer of that role and key; -1 without one.
  int number(plan::Role role, std::string_view key) const;
  /// Name of a member of Weights or State, or of a constant.
  const std::string& name(int buffer) const { return names_[static_cast<std::size_t>(buffer)]; }
  /// "float"; "void" for weights that kernels read as different types.
  const std::string& type(int buffer) const { return types_[static_cast<std::size_t>(buffer)]; }
  /// Of a weight that is laid out as steps read it.
  bool on_use(int buffer) const {
    const auto b = static_cast<std::size_t>(buffer);
    return b < laid_out_.on_use.size() && laid_out_.on_use[b];
  }
  std::int64_t passing_bytes() const { return laid_out_.passing_bytes; }
  bool used(int buffer) const { return !seen_[static_cast<std::size_t>(buffer)].empty(); }

 private:
  void look(const std::vector<plan::Step>& steps);

  const plan::Plan& plan_;
  LaidOut laid_out_;
  std::vector<std::string> names_, types_;
  std::vector<std::set<std::string>> seen_;  // element types by which kernels read it; "copy" for copies
};

/// Lines with ", " between items, broken before column 120; the lines behind the first start with `indent`.
std::string wrapped_list(const std::string& start, const std::vector<std::string>& items, const std::string& end,
                         std::size_t indent);

}  // namespace openinfer::emit
