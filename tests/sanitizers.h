// SPDX-License-Identifier: Apache-2.0
// UNDER_ASAN and UNDER_TSAN, 0 or 1: is this compiled with that sanitizer? GCC says so by macros, clang by features.
#pragma once

#if defined(__has_feature)
#define UNDER_ASAN __has_feature(address_sanitizer)
#define UNDER_TSAN __has_feature(thread_sanitizer)
#else
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif
#endif

/// What computes again and again with other numbers does it this much less often under a sanitizer, which looks at code
/// and not at numbers.
inline constexpr int kFewer = UNDER_ASAN || UNDER_TSAN ? 4 : 1;
