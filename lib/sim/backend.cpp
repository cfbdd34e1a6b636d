// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "lib/base/fail.h"
#include "openinfer/sim.h"

namespace openinfer {

std::string_view name(Backend backend) {
  switch (backend) {
    case Backend::sim: return "sim";
    case Backend::cpu: return "cpu";
    case Backend::vulkan: return "vulkan";
    case Backend::cuda: return "cuda";
  }
  fail(ErrorCode::internal, "[sim] a backend without a name");
}

Backend backend_from_name(std::string_view wanted) {
  for (const Backend backend : {Backend::sim, Backend::cpu, Backend::vulkan, Backend::cuda})
    if (name(backend) == wanted) return backend;
  fail(ErrorCode::invalid_argument, "[sim] there is no backend '{}'; there are sim, cpu, vulkan and cuda", wanted);
}

std::string_view name(Numerics numerics) {
  switch (numerics) {
    case Numerics::strict: return "strict";
    case Numerics::bf16: return "bf16";
    case Numerics::fast: return "fast";
  }
  fail(ErrorCode::internal, "[sim] numerics without a name");
}

Numerics numerics_from_name(std::string_view wanted) {
  for (const Numerics numerics : {Numerics::strict, Numerics::bf16, Numerics::fast})
    if (name(numerics) == wanted) return numerics;
  fail(ErrorCode::invalid_argument, "[sim] there are no numerics '{}'; there are strict, bf16 and fast", wanted);
}

}  // namespace openinfer
