// SPDX-License-Identifier: Apache-2.0
#include "lib/base/simd.h"

namespace openinfer {

Simd simd_level() {
#if OPENINFER_HAS_X86_SIMD
  static const Simd level = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
      return Simd::avx512;
    return __builtin_cpu_supports("avx2") ? Simd::avx2 : Simd::generic;
  }();
  return level;
#else
  return Simd::generic;
#endif
}

}  // namespace openinfer
