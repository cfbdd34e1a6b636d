# SPDX-License-Identifier: Apache-2.0
# Emitted projects, built by CMake and run. Compiling them says nothing new under a sanitizer.
if(TARGET openinfer_command)
  foreach(case Tensors Rows)
    add_test(NAME emit_${case} COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/emit_test.py ${case})
    set_tests_properties(emit_${case} PROPERTIES LABELS "unit;release_only" TIMEOUT 900
      ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  endforeach()
endif()
# Buffers by name and stored matrices, as the tests of the templates have them.
target_sources(emit_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests/kernels/template_run.cpp ${PROJECT_SOURCE_DIR}/tests/kernels/stored.cpp)
target_include_directories(emit_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests/kernels)
