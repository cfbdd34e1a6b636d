// SPDX-License-Identifier: Apache-2.0
// Emitted CUDA C++ compiled by NVRTC, without a GPU: does it compile for an architecture, and what does a thread cost?
// libnvrtc is loaded at run time, so that a build needs no CUDA.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/device.h"

namespace openinfer::compile {

/// What one thread of one kernel takes, for one architecture.
struct CudaUse {
  int registers = 0;
  int spill_store_bytes = 0, spill_load_bytes = 0;  // in the program's text, not how often they run
  int local_bytes = 0;                              // what is in no register: spills, arrays with computed indices
  int shared_bytes = 0;                             // of the block
  bool spills() const { return spill_store_bytes + spill_load_bytes > 0; }
};
struct CudaKernel {
  std::string cubin;
  CudaUse use;
};

/// How kernels are compiled: each operation rounds by itself, which scalar functions rely on; shifts wrap (C++20).
inline constexpr std::string_view kCudaFlags = "--std=c++20 --fmad=false";
/// Most shared memory that a kernel may declare; beyond it CUDA has dynamic memory only (CUDA guide: 48 KB).
inline constexpr std::int64_t kCudaSharedBytes = 48 << 10;

class Nvrtc {
 public:
  /// Looks for libnvrtc where the loader does, then below $CUDA_PATH, $CUDA_HOME and /usr/local/cuda; $OPENINFER_NVRTC
  /// names the file to load instead.
  Nvrtc();
  ~Nvrtc();
  Nvrtc(const Nvrtc&) = delete;
  Nvrtc& operator=(const Nvrtc&) = delete;

  /// Empty: libnvrtc is there. Else why not.
  const std::string& missing() const { return missing_; }
  std::string version() const;
  /// "sm_75", "sm_90a" …: those of `wanted` that this NVRTC compiles for.
  std::vector<std::string> supported(const std::vector<std::string>& wanted) const;
  /// The source holds one kernel; `kernel` names it in errors. Errors: internal with NVRTC's log, and where the log and
  /// the cubin do not say the same of it; unsupported if it is missing().
  CudaKernel compile(std::string_view kernel, const std::string& source, std::string_view architecture) const;

 private:
  struct Library;
  std::unique_ptr<Library> library_;
  std::string missing_;
};

/// Errors: unsupported for a kernel that takes more registers or shared memory than the device has; names both.
void check_limits(std::string_view kernel, const CudaUse& use, const Device& device);

/// From Turing on: what emitted kernels are checked for.
const std::vector<std::string>& cuda_architectures();

}  // namespace openinfer::compile
