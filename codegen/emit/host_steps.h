// SPDX-License-Identifier: Apache-2.0
// The steps of one entry point as C++ of a host program: loops, branches, families and names, which every target has
// alike. How a kernel is called, memory copied and a buffer declared is the target's.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codegen/emit/host_buffers.h"
#include "codegen/plan/plan.h"

namespace openinfer::emit {

class HostSteps {
 public:
  HostSteps(const HostBuffers& buffers, int entry);
  virtual ~HostSteps() = default;
  HostSteps(const HostSteps&) = delete;
  HostSteps& operator=(const HostSteps&) = delete;

  /// The member function, indented by one level.
  std::string run();

 protected:
  virtual void signature() = 0;
  virtual std::string constant(const std::string& name) const = 0;
  /// Declares a scratch buffer or, if the target has such, a local of an input or output.
  virtual void declare(int buffer, const std::string& name) = 0;
  virtual void call(const plan::Dispatch& d, const kir::Kernel& kernel) = 0;
  virtual void print(const plan::Copy& c) = 0;
  virtual void print(const plan::Branch& b) = 0;
  /// Looks at a value behind the dispatch that made it.
  virtual void tap(std::size_t number, const plan::Result& result) = 0;

  void line(const std::string& text) { text_ += std::string(static_cast<std::size_t>(depth_) * 2, ' ') + text + "\n"; }
  /// `start`, items and `end`, broken before column 120; the lines behind the first start `behind` columns in.
  void list(const std::string& start, const std::vector<std::string>& items, const std::string& end,
            std::size_t behind);
  /// Where a step came from and what it does, as comments.
  void origin(const plan::Origin& o);
  void steps(const std::vector<plan::Step>& list);
  void indented(const std::vector<plan::Step>& list);
  /// A size as C++; what it names is declared.
  std::string expression(const plan::Size& size);
  std::string groups(const plan::Dispatch& d);
  /// "weights.Wq[l]", "state.kv_keys + l * 196608".
  std::string place(const plan::Operand& o);
  /// Which member of its family: "l"; "0" of a single tensor.
  std::string member(const plan::Operand& o);
  std::string local(int buffer) const { return locals_.at(buffer); }
  bool used(int buffer) const { return used_.contains(buffer); }

  const HostBuffers& buffers_;
  const plan::EntryPoint& entry_;
  int depth_ = 0;

 private:
  std::string bounds() const;
  void sizes();
  std::string symbol(std::string_view wanted);
  void comment(std::string_view text);
  std::string turn() const;
  void taps();
  void print(const plan::Dispatch& d);
  void print(const plan::Swap& s);
  void print(const plan::Loop& l);

  HostNames names_;
  std::map<std::string, std::string, std::less<>> symbols_;  // sizes and loop indices
  std::map<int, std::string> locals_;
  std::set<int> used_;
  std::set<std::string> used_symbols_;
  struct LoopAround {
    std::string index;
    std::int64_t from = 0, to = 0;
  };
  std::vector<LoopAround> loops_;  // outermost first
  int number_;                     // of the entry point
  int dispatch_ = 0;               // counted as the plan's taps count
  std::string text_;
};

/// For a CPU, for Vulkan.
std::string cpu_entry(const HostBuffers& buffers, int entry);
std::string vulkan_entry(const HostBuffers& buffers, int entry);

/// Name of its member function.
std::string entry_function(const plan::EntryPoint& entry);
/// "(N, 576)", of weights as stored: "(49152, 576) in blocks".
std::string comment_of(const plan::Buffer& buffer);

}  // namespace openinfer::emit
