# SPDX-License-Identifier: Apache-2.0
# Emitted projects, built by CMake and run. Compiling them says nothing new under a sanitizer.
if(TARGET openinfer_command)
  foreach(case Tensors Rows)
    add_test(NAME emit_${case} COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/emit_test.py ${case})
    set_tests_properties(emit_${case} PROPERTIES LABELS "unit;release_only" TIMEOUT 900
      ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  endforeach()
endif()

# Buffers by name and stored matrices, as the tests of the templates have them; a device.
set(kernel_tests ${PROJECT_SOURCE_DIR}/tests/kernels)
set(vulkan_tests ${PROJECT_SOURCE_DIR}/tests/emit/vulkan)
target_sources(emit_tests PRIVATE ${kernel_tests}/template_run.cpp ${kernel_tests}/stored.cpp ${vulkan_tests}/device.cpp)
target_include_directories(emit_tests PRIVATE ${kernel_tests} ${vulkan_tests})

# The tests of the templates once more, as shaders on a device: emit_vulkan_tests.
file(GLOB template_tests CONFIGURE_DEPENDS ${kernel_tests}/*_test.cpp)
list(FILTER template_tests EXCLUDE REGEX "/scalar_")
openinfer_test_program(emit_vulkan ${vulkan_tests})
target_sources(emit_vulkan_tests PRIVATE ${template_tests} ${kernel_tests}/template_run.cpp ${kernel_tests}/stored.cpp)
target_include_directories(emit_vulkan_tests PRIVATE ${kernel_tests} ${vulkan_tests})
add_test(NAME emit_vulkan COMMAND emit_vulkan_tests)
set_tests_properties(emit_vulkan PROPERTIES LABELS "unit;release_only" SKIP_REGULAR_EXPRESSION "skipped:")
add_dependencies(openinfer_unit_tests emit_vulkan_tests)
