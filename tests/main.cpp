// SPDX-License-Identifier: Apache-2.0
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#include "tests/source_path.h"

std::string openinfer::testing::source_path(const std::string& from_root) {
  return std::string(OPENINFER_SOURCE_DIR) + "/" + from_root;
}

// Under a sanitizer an allocation that no machine can satisfy fails as it does elsewhere: tests expect the Error.
extern "C" const char* __asan_default_options();
extern "C" const char* __tsan_default_options();
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
