// SPDX-License-Identifier: Apache-2.0
// Do two lowerings of one group differ in nothing but their kernels? Then a dispatch can choose among those.
#pragma once

#include <utility>
#include <vector>

#include "codegen/plan/plan.h"

namespace openinfer::plan {

class Alike {
 public:
  /// Scratch of a lowering's own, in `buffers` from `first` and from `second` on, stands for the other's of the same
  /// dtype and shape.
  Alike(const std::vector<Buffer>& buffers, std::size_t first, std::size_t second)
      : buffers_(buffers), first_(static_cast<int>(first)), second_(static_cast<int>(second)) {}
  /// Origins and columns are left aside: what the first says stands for all, or is dropped.
  bool operator()(const std::vector<Step>& a, const std::vector<Step>& b);

 private:
  bool same(const Step& a, const Step& b);
  bool same(const Dispatch& a, const Dispatch& b);
  bool same(const Operand& a, const Operand& b);
  bool same_buffer(int a, int b);

  const std::vector<Buffer>& buffers_;
  int first_, second_;
  std::vector<std::pair<int, int>> pairs_;  // scratch of the one and what stands for it in the other
};

}  // namespace openinfer::plan
