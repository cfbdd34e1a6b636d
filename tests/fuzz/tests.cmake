# SPDX-License-Identifier: Apache-2.0
# X_fuzz.cpp defines LLVMFuzzerTestOneInput; corpus/X holds inputs that are worth keeping. Every build replays them as the test
# `fuzz_X`; with the preset `fuzz` the same program is a libFuzzer target (scripts/fuzz.sh X SECONDS).
file(GLOB fuzz_targets CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_fuzz.cpp)
foreach(source ${fuzz_targets})
  get_filename_component(program ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" target ${program})
  add_executable(${program} ${source})
  openinfer_options(${program})
  target_link_libraries(${program} PRIVATE openinfer fmt::fmt)
  if(OPENINFER_FUZZ)
    target_link_options(${program} PRIVATE -fsanitize=fuzzer)
    add_test(NAME fuzz_${target} COMMAND ${program} -runs=0 ${CMAKE_CURRENT_LIST_DIR}/corpus/${target})
  else()
    target_sources(${program} PRIVATE ${CMAKE_CURRENT_LIST_DIR}/replay.cpp)
    add_test(NAME fuzz_${target} COMMAND ${program} ${CMAKE_CURRENT_LIST_DIR}/corpus/${target})
  endif()
  set_tests_properties(fuzz_${target} PROPERTIES LABELS unit)
endforeach()
