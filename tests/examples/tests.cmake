# SPDX-License-Identifier: Apache-2.0
# The examples and the README's program run on the tiny package of tests/cli.
set(tiny_package ${CMAKE_CURRENT_BINARY_DIR}/examples/model.oinf)
file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/examples)
add_test(NAME tiny_package COMMAND ${OPENINFER_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/cli/tiny_llama.py ${tiny_package})
set_tests_properties(tiny_package PROPERTIES LABELS unit FIXTURES_SETUP tiny_package)

# openinfer_example_test(TARGET EXPECTED ARGUMENTS…): the target prints EXPECTED (a regular expression) on stdout and exits with 0.
function(openinfer_example_test target expected)
  add_test(NAME ${target}
           COMMAND ${CMAKE_COMMAND} -DPATTERN=${expected} -P ${PROJECT_SOURCE_DIR}/tests/examples/run_example.cmake
                   -- $<TARGET_FILE:${target}> ${ARGN}
           WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/examples)
  set_tests_properties(${target} PROPERTIES LABELS unit FIXTURES_REQUIRED tiny_package)
  add_dependencies(openinfer_unit_tests ${target})
endfunction()

if(OPENINFER_EXAMPLES)
  openinfer_example_test(example_01_minimal "logits = \\(1, 265\\): [-0-9.]+ [-0-9.]+ [-0-9.]+" model.oinf)
  openinfer_example_test(example_02_kv_loop "step 3: next token 17\n" model.oinf)
  # Eight tokens of a random model: two are half characters. Sums have one order, so the words are the same everywhere.
  openinfer_example_test(example_03_llama "^��\\[h8'tk\n$" model.oinf hello 8)
endif()

# The README's ```cpp block, compiled as it stands there.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/README.md)
file(READ ${PROJECT_SOURCE_DIR}/README.md readme)
string(REGEX MATCH "```cpp\n([^`]*)```" block "${readme}")
if(NOT CMAKE_MATCH_1)
  message(FATAL_ERROR "README.md has no ```cpp block")
endif()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/examples/readme.cpp CONTENT "${CMAKE_MATCH_1}" @ONLY)
add_executable(readme_snippet ${CMAKE_CURRENT_BINARY_DIR}/examples/readme.cpp)
openinfer_options(readme_snippet)
target_link_libraries(readme_snippet PRIVATE OpenInfer::openinfer)
openinfer_example_test(readme_snippet "first logit: [-0-9.]+")

# A program that cannot have its package says so in one line and exits with 1; abort() would be another code.
add_test(NAME readme_snippet_without_package
         COMMAND sh -c "\"$1\" 2>errors; test $? = 1 && test $(wc -l <errors) = 1 && grep -q '^error: ' errors" -
                 $<TARGET_FILE:readme_snippet>
         WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
set_tests_properties(readme_snippet_without_package PROPERTIES LABELS unit)
