# SPDX-License-Identifier: Apache-2.0
# X_fuzz.cpp defines LLVMFuzzerTestOneInput; corpus/X holds inputs that are worth keeping. Builds replay them as the test
# `fuzz_X` (in release with the label matrix); with the preset `fuzz` the same program is a libFuzzer target (scripts/fuzz.sh X SECONDS).
file(GLOB fuzz_targets CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_fuzz.cpp)
# What a target tests beside the library.
set(npy_sources ${PROJECT_SOURCE_DIR}/codegen/cli/npy.cpp)
# Of an emitted program: its host files as they are, and the reader under a name of its own, as in its CMakeLists.txt.
set(host ${PROJECT_SOURCE_DIR}/codegen/emit/prelude/host)
set(emitted_package_sources ${host}/cpu_program.cpp ${host}/laid_out.cpp ${host}/memory.cpp ${host}/program.cpp ${host}/read_ahead.cpp
                            ${PROJECT_SOURCE_DIR}/formats/opnf/reader.cpp ${PROJECT_SOURCE_DIR}/formats/opnf/panel16.cpp)
foreach(source ${fuzz_targets})
  get_filename_component(program ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" target ${program})
  add_executable(${program} ${source} ${${target}_sources})
  openinfer_options(${program})
  target_link_libraries(${program} PRIVATE openinfer fmt::fmt nlohmann_json::nlohmann_json)
  if(target STREQUAL emitted_package)
    target_compile_definitions(${program} PRIVATE MODEL_NAME=emitted opnf=emitted_opnf)
    target_include_directories(${program} PRIVATE ${host} ${PROJECT_SOURCE_DIR}/formats/opnf)
  endif()
  if(OPENINFER_FUZZ)
    target_link_options(${program} PRIVATE -fsanitize=fuzzer)
    add_test(NAME fuzz_${target} COMMAND ${program} -runs=0 ${CMAKE_CURRENT_LIST_DIR}/corpus/${target})
  else()
    target_sources(${program} PRIVATE ${CMAKE_CURRENT_LIST_DIR}/replay.cpp)
    add_test(NAME fuzz_${target} COMMAND ${program} ${CMAKE_CURRENT_LIST_DIR}/corpus/${target})
  endif()
  # Of the two builds that scripts/test.sh makes the sanitized one says more of them.
  if(OPENINFER_SANITIZE OR NOT OPENINFER_UNITY)
    set_tests_properties(fuzz_${target} PROPERTIES LABELS unit)
    add_dependencies(openinfer_unit_tests ${program})
  else()
    set_tests_properties(fuzz_${target} PROPERTIES LABELS matrix)
    set_target_properties(${program} PROPERTIES EXCLUDE_FROM_ALL ON)
    add_dependencies(openinfer_matrix_tests ${program})
  endif()
endforeach()
