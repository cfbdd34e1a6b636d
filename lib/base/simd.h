// SPDX-License-Identifier: Apache-2.0
// One function, several instruction sets: hot loops are written once as OPENINFER_INLINE templates and instantiated
// inside wrappers for AVX-512, AVX2 and whatever the build targets. Which wrapper runs changes no bit: every one does
// the same IEEE operations in the same order, without contraction.
#pragma once

namespace openinfer {

enum class Simd { generic, avx2, avx512 };

/// What this machine can run, found once.
Simd simd_level();

}  // namespace openinfer

#define OPENINFER_INLINE inline __attribute__((always_inline))
#define OPENINFER_INLINE_LAMBDA __attribute__((always_inline))  // behind a lambda's parameters
#if defined(__x86_64__) && defined(__GNUC__)
#define OPENINFER_HAS_X86_SIMD 1
#define OPENINFER_AVX2 __attribute__((target("avx2")))
#if defined(__clang__)
#define OPENINFER_AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512dq")))
#else
#define OPENINFER_AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")))
#endif
#else
#define OPENINFER_HAS_X86_SIMD 0
#endif
