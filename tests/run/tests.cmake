# SPDX-License-Identifier: Apache-2.0
# Vulkan drivers leak, in modules that are no longer loaded when LeakSanitizer looks: nothing could name them. Everything else that
# AddressSanitizer sees is looked at.
set_tests_properties(run PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: no Vulkan")
set_property(TEST run APPEND PROPERTY ENVIRONMENT "ASAN_OPTIONS=detect_leaks=0")
