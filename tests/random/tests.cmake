# SPDX-License-Identifier: Apache-2.0
# Plans run in the kernel interpreter of tests/plan. Some of the graphs compiled for this CPU: nearly all of that is the compiler's time.
target_link_libraries(random_tests PRIVATE openinfer_codegen)
target_sources(random_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests/plan/interpreted_plan.cpp)
set_tests_properties(random PROPERTIES TIMEOUT 900)
add_test(NAME random_cpu COMMAND random_tests "[.cpu]")
set_tests_properties(random_cpu PROPERTIES LABELS "matrix;release_only" TIMEOUT 1800 ENVIRONMENT "XDG_CACHE_HOME=${CMAKE_BINARY_DIR}/kept_kernels")
add_dependencies(openinfer_matrix_tests random_tests)
