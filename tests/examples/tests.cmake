# SPDX-License-Identifier: Apache-2.0
# The examples run on the tiny package of tests/cli.
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
  openinfer_example_test(example_04_typed "^next token: [0-9]+\n$" model.oinf)
  openinfer_example_test(example_05_emit "^logits for zen4 \\(cpu\\): [0-9]+ kernels\n$" model.oinf emitted_zen4 zen4)
  # A program that cannot have its package says so in one line and exits with 1; abort() would be another code.
  add_test(NAME example_01_minimal_without_package
           COMMAND sh -c "\"$1\" absent.oinf 2>errors; test $? = 1 && test $(wc -l <errors) = 1 && grep -q '^example: error: ' errors" -
                   $<TARGET_FILE:example_01_minimal>
           WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/examples)
  set_tests_properties(example_01_minimal_without_package PROPERTIES LABELS unit)
endif()

# What README.md shows first is the first example.
add_test(NAME readme_quotes_example
         COMMAND ${CMAKE_COMMAND} -DREADME=${PROJECT_SOURCE_DIR}/README.md
                 -DEXAMPLE=${PROJECT_SOURCE_DIR}/examples/01_minimal.cpp -P ${PROJECT_SOURCE_DIR}/tests/examples/quoted.cmake)
set_tests_properties(readme_quotes_example PROPERTIES LABELS unit)
