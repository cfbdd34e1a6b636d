// SPDX-License-Identifier: Apache-2.0
// Kernels compiled for this CPU and loaded: rendered as C++, given to the C++ compiler that is there, kept by content.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "codegen/plan/plan.h"
#include "lib/base/device.h"
#include "lib/base/input_file.h"

namespace openinfer::run {

/// Runs workgroups [first, last) of a kernel; buffers and params in the kernel's order.
using KernelFunction = void (*)(void* const* buffers, const std::int32_t* params, int first, int last);

/// Takes a sentence for the user, before a compiler is started: what is compiled, and where that is kept.
using CompileNotice = std::function<void(const std::string&)>;

class CpuLibrary {
 public:
  /// Compiles what is not in the cache (kernel_cache.h), which then is made no larger than it may be. There is one file
  /// for each content of sources, flags and compiler (its path, size and time); what is not as it was written is
  /// compiled again. The compiler is $CXX, a command with its arguments ("ccache g++"), else c++, g++ or clang++ on the
  /// PATH.
  /// Errors: not_found if there is no compiler; device_error with the compiler's first line if it fails; those of the
  /// cache.
  CpuLibrary(const plan::Plan& plan, const Device& device, const CompileNotice& notice = {});

  KernelFunction function(int kernel) const { return functions_[static_cast<std::size_t>(kernel)]; }
  /// Seconds spent in the compiler; 0: everything was there.
  double compile_s() const { return compile_s_; }

 private:
  struct Unload {
    void operator()(void* handle) const;
  };
  InputFile in_use_;
  std::unique_ptr<void, Unload> handle_;
  std::vector<KernelFunction> functions_;
  double compile_s_ = 0;
};

/// The whole program text of a plan's kernels with their entry functions: what CpuLibrary compiles.
std::string library_source(const plan::Plan& plan, int lanes);

/// The compiler CpuLibrary would take, as a command. Errors: not_found, with what to install.
std::string find_compiler();

}  // namespace openinfer::run
