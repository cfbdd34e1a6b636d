# SPDX-License-Identifier: Apache-2.0
# Vulkan drivers leak, in modules that are no longer loaded when LeakSanitizer looks: nothing could name them. Everything else that
# AddressSanitizer sees is looked at.
foreach(test run run_long)
  if(TEST ${test})
    set_tests_properties(${test} PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: no Vulkan")
    set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT "ASAN_OPTIONS=detect_leaks=0")
  endif()
endforeach()
