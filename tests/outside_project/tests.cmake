# SPDX-License-Identifier: Apache-2.0
# A project outside this tree builds against OpenInfer, installed and as a subdirectory.
foreach(way find_package add_subdirectory)
  add_test(NAME outside_project_${way}
           COMMAND ${CMAKE_COMMAND} -D WAY=${way} -D SOURCE=${PROJECT_SOURCE_DIR} -D BINARY=${PROJECT_BINARY_DIR}
                   -D WORK=${CMAKE_CURRENT_BINARY_DIR}/outside_${way} -D GENERATOR=${CMAKE_GENERATOR}
                   -D COMPILER=${CMAKE_CXX_COMPILER} -D LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}
                   -P ${CMAKE_CURRENT_LIST_DIR}/build.cmake)
  set_tests_properties(outside_project_${way} PROPERTIES LABELS "unit;release_only" TIMEOUT 1200)
endforeach()
