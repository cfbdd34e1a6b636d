// SPDX-License-Identifier: Apache-2.0
// What runs a plan in this process, whatever the device: a step takes inputs by name and gives outputs by name; states
// stay with the executor.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "openinfer/tensor.h"

namespace openinfer::run {

using Tensors = std::map<std::string, Tensor, std::less<>>;

class Executor {
 public:
  Executor() = default;
  virtual ~Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Inputs bind the symbols in their shapes; the entry point that is preferred is taken if they fit its bounds, else
  /// the first whose bounds they fit.
  /// Errors: not_found for a missing input; dtype_mismatch, shape_mismatch, invalid_argument if none fits;
  /// device_error.
  virtual Tensors step(const Tensors& inputs) = 0;
  /// "": none is preferred, as at first.
  virtual void prefer(std::string_view entry) = 0;
  /// Zeroes every state.
  virtual void reset() = 0;
  /// Bytes of package tensors that all steps together have read; 0 where they were copied to the device before.
  virtual std::uint64_t bytes_read() const { return 0; }
  /// Contents of the plan's states, in the order of its buffers; the same back again.
  virtual std::vector<Tensor> save() = 0;
  virtual void restore(const std::vector<Tensor>& states) = 0;
};

}  // namespace openinfer::run
