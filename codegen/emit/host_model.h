// SPDX-License-Identifier: Apache-2.0
// host/model.cpp, made from the plan: the steps, what they work on, and the description that the host checks packages
// and inputs against. Every target has alike what stands here; the class of the steps is the target's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "codegen/emit/host_buffers.h"
#include "codegen/emit/package_contents.h"
#include "codegen/plan/graph_facts.h"
#include "codegen/plan/plan.h"
#include "lib/base/device.h"
#include "openinfer/model.h"

namespace openinfer::emit {

/// All that the text of a host program is made from.
struct HostSource {
  const plan::Plan& plan;
  const Model& model;
  const Device& device;
  const plan::GraphFacts& facts;
  PackageContents contents;
  std::vector<std::string> features = {};  // that the machine or device must have
};

class HostModel {
 public:
  explicit HostModel(const HostSource& source);
  virtual ~HostModel() = default;
  HostModel(const HostModel&) = delete;
  HostModel& operator=(const HostModel&) = delete;

  /// Errors: unsupported for weights in another layout than rows, or whose members are not stored alike, for
  /// inputs, outputs and states of packed dtypes, and for rows that might be more than the slots that they attend to.
  std::string run();

 protected:
  /// Of the class that Steps derives from: "cpu_program.h".
  virtual std::string_view base_header() const = 0;
  /// Weights, states, constants; then the class Steps.
  virtual void declarations() = 0;
  virtual void steps() = 0;

  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }
  void add(const std::string& text) { text_ += text; }
  /// "const float x[] = {…};  // (N,)" of each constant that is used.
  std::string constant_arrays() const;
  std::vector<int> of_role(plan::Role role) const;  // buffers of the plan; constants that nothing uses are left out
  std::string count(int state) const;               // elements, as C++
  void ceil_div();                                  // the function, if the steps use it
  static std::int64_t members(const plan::Buffer& family);
  /// With a memory budget: how the host comes by the weight, as program.h calls it.
  std::string_view fetch(int weight) const;

  const HostSource& source_;
  const plan::Plan& plan_;
  HostBuffers buffers_;

 private:
  std::size_t symbol(std::string_view name) const;
  std::string dim(const Dim& d) const;
  std::string tensor(plan::Role role, const std::string& key) const;
  std::string entry(const plan::EntryPoint& e) const;
  std::string family(int number) const;
  void field(std::string_view field, const std::vector<std::string>& items);
  void rows(std::string_view field, const std::vector<std::string>& items);
  void description();
  bool sizes_a_state(const std::string& symbol) const;
  std::int64_t most(const Dim& dim) const;  // that any entry point takes

  std::vector<std::string> symbols_;
  std::string text_;
};

/// host/model.cpp for a CPU, for Vulkan.
std::string cpu_model(const HostSource& source);
std::string vulkan_model(const HostSource& source);

}  // namespace openinfer::emit
