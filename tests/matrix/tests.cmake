# SPDX-License-Identifier: Apache-2.0
# Cells of the unit label run as `matrix`; all of them as matrix_<group>, and many random graphs, in the label matrix.
target_link_libraries(matrix_tests PRIVATE openinfer_codegen)
target_sources(matrix_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests/ops/oracle.cpp ${PROJECT_SOURCE_DIR}/tests/kernels/stored.cpp
                                    ${PROJECT_SOURCE_DIR}/tests/kernels/template_run.cpp)
target_include_directories(matrix_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests/kernels)
# Compiled kernels are kept by content: beside the build, where they go with it.
set(kept_kernels "XDG_CACHE_HOME=${CMAKE_BINARY_DIR}/kept_kernels")
# Nearly all of the time is the compiler's, on kernels that no sanitizer sees.
set_tests_properties(matrix PROPERTIES LABELS "unit;release_only" TIMEOUT 900 ENVIRONMENT ${kept_kernels})
# There by clang++, which takes two thirds of g++'s time for them; by the compiler that the command finds with the label matrix.
find_program(OPENINFER_CLANG NAMES clang++)
mark_as_advanced(OPENINFER_CLANG)
if(OPENINFER_CLANG)
  set_property(TEST matrix APPEND PROPERTY ENVIRONMENT "CXX=${OPENINFER_CLANG}")
endif()
foreach(group elementwise compare convert move reduce order product attention random)
  add_test(NAME matrix_${group} COMMAND matrix_tests "[all][${group}]")
  set_tests_properties(matrix_${group} PROPERTIES LABELS "matrix;release_only" TIMEOUT 1800 ENVIRONMENT ${kept_kernels})
endforeach()
add_test(NAME matrix_vulkan COMMAND matrix_tests "[.vulkan]")
set_tests_properties(matrix_vulkan PROPERTIES LABELS "matrix;release_only" TIMEOUT 1800 SKIP_REGULAR_EXPRESSION "skipped:")
if(TARGET openinfer_command)  # emitted by a build of clang++ and by this one
  add_test(NAME matrix_determinism COMMAND ${PROJECT_SOURCE_DIR}/scripts/check_determinism.sh $<TARGET_FILE:openinfer_command>)
  set_tests_properties(matrix_determinism PROPERTIES LABELS "matrix;release_only" TIMEOUT 3600 SKIP_RETURN_CODE 77)
endif()
add_dependencies(openinfer_matrix_tests matrix_tests)
