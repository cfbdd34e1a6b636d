// SPDX-License-Identifier: Apache-2.0
// The host side of emitted Vulkan programs, compiled into this library under a namespace of its own: what runs plans
// here is what emitted programs are made of.
#pragma once

#define MODEL_NAME openinfer::run::host
#include "codegen/emit/prelude/host/vulkan_recording.h"
#undef MODEL_NAME

#include "lib/base/fail.h"

namespace openinfer::run {

inline ErrorCode error_code(host::Reason reason) {
  switch (reason) {
    case host::Reason::request: return ErrorCode::invalid_argument;
    case host::Reason::unsupported: return ErrorCode::unsupported;
    case host::Reason::memory: return ErrorCode::out_of_memory;
    case host::Reason::device: break;
  }
  return ErrorCode::device_error;
}

/// What the host code throws, as this library's errors.
template <class F>
auto translated(const F& f) try {
  return f();
} catch (const host::Error& e) {
  fail(error_code(e.reason()), "[vulkan] {}", e.what());
}

}  // namespace openinfer::run
