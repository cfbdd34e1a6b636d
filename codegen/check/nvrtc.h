// SPDX-License-Identifier: Apache-2.0
// Emitted CUDA C++ compiled by NVRTC, without a GPU: does it compile for an architecture, and what does a thread cost?
// libnvrtc is loaded at run time, so that a build needs no CUDA.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace openinfer::check {

/// What one thread of one kernel takes.
struct CudaUse {
  int registers = 0;
  int spill_store_bytes = 0, spill_load_bytes = 0;
  int shared_bytes = 0;  // of the block
};
struct CudaKernel {
  std::string cubin;
  CudaUse use;
};

class Nvrtc {
 public:
  /// Looks for libnvrtc where the loader does, then below $CUDA_PATH, $CUDA_HOME and /usr/local/cuda.
  Nvrtc();
  ~Nvrtc();
  Nvrtc(const Nvrtc&) = delete;
  Nvrtc& operator=(const Nvrtc&) = delete;

  /// Empty: libnvrtc is there. Else why not.
  const std::string& missing() const { return missing_; }
  std::string version() const;
  /// "sm_75" …: those of `wanted` that this NVRTC compiles for.
  std::vector<std::string> supported(const std::vector<std::string>& wanted) const;
  /// The source holds one kernel of that name. Errors: internal with NVRTC's log; unsupported if it is missing().
  CudaKernel compile(std::string_view kernel, const std::string& source, std::string_view architecture) const;

 private:
  struct Library;
  std::unique_ptr<Library> library_;
  std::string missing_;
};

/// From Turing on: what emitted kernels are checked for.
const std::vector<std::string>& cuda_architectures();

}  // namespace openinfer::check
