# SPDX-License-Identifier: Apache-2.0
# Builds project/ against OpenInfer and compares what it prints. cmake -P with WAY (find_package or add_subdirectory),
# SOURCE and BINARY of OpenInfer, WORK (an own folder), GENERATOR and COMPILER.
set(project ${CMAKE_CURRENT_LIST_DIR}/project)
if(WAY STREQUAL "add_subdirectory")
  find_program(clang clang++)
  if(clang)  # the outside world has more than one compiler, and this one takes half the time
    set(COMPILER ${clang})
  endif()
endif()
set(options -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER})

if(WAY STREQUAL "find_package")
  file(REMOVE_RECURSE ${WORK})
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${BINARY} --prefix ${WORK}/prefix OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  list(APPEND options -D CMAKE_PREFIX_PATH=${WORK}/prefix)
  foreach(file bin/openinfer include/openinfer/models/llama.h share/openinfer/scripts/convert.py
               share/man/man1/openinfer.1 share/bash-completion/completions/openinfer)
    if(NOT EXISTS ${WORK}/prefix/${file})
      message(FATAL_ERROR "${file} was not installed")
    endif()
  endforeach()
  # What pkg-config does not find is told, and does not stop a project that can do without.
  file(WRITE ${WORK}/quiet/CMakeLists.txt "cmake_minimum_required(VERSION 3.25)
project(quiet CXX)
find_package(OpenInfer QUIET)
file(WRITE ${WORK}/quiet/found.txt \"\${OpenInfer_FOUND}: \${OpenInfer_NOT_FOUND_MESSAGE}\")
")
  execute_process(COMMAND ${CMAKE_COMMAND} -E env PKG_CONFIG_LIBDIR=${WORK}/none PKG_CONFIG_PATH= ${CMAKE_COMMAND} -S ${WORK}/quiet
                          -B ${WORK}/quiet/build ${options} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  file(READ ${WORK}/quiet/found.txt found)
  if(NOT found MATCHES "^(FALSE|0): .*needs libpcre2-8")
    message(FATAL_ERROR "without PCRE2, find_package(OpenInfer QUIET) says '${found}'")
  endif()
else()
  # Without a build type the library is optimised, and the project that carries it is not.
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${project} -B ${WORK}/no_type ${options} -D OPENINFER_SOURCE=${SOURCE} -D CMAKE_EXPORT_COMPILE_COMMANDS=ON
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  file(STRINGS ${WORK}/no_type/compile_commands.json commands REGEX "\"command\".* -c ")
  foreach(command ${commands})
    if(command MATCHES "/outside_project/project/main.cpp")
      set(theirs ${command})
    elseif(command MATCHES "/lib/sim/machine.cpp")
      set(ours ${command})
    endif()
  endforeach()
  if(NOT ours MATCHES " -O2 " OR NOT theirs OR theirs MATCHES " -O")
    message(FATAL_ERROR "without a build type the library is compiled by '${ours}', the project by '${theirs}'")
  endif()
  # Quick to compile rather than quick to run; a second run compiles only what changed.
  list(APPEND options -D OPENINFER_SOURCE=${SOURCE} -D CMAKE_CXX_FLAGS=-O0 -D OPENINFER_UNITY=ON)
endif()

execute_process(COMMAND ${CMAKE_COMMAND} -S ${project} -B ${WORK}/build ${options} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build --parallel OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK}/build/outside OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
if(NOT printed STREQUAL "y = 42 -1\n")
  message(FATAL_ERROR "the outside program printed '${printed}'")
endif()
if(WAY STREQUAL "find_package")
  execute_process(COMMAND ${WORK}/build/compiled ${SOURCE}/tests/formats/opnf/golden/small.oinf ${WORK}/doubled OUTPUT_VARIABLE printed
                  COMMAND_ERROR_IS_FATAL ANY)
  if(NOT printed STREQUAL "y = 42 -1\n" OR NOT EXISTS ${WORK}/doubled/host/doubled.h)
    message(FATAL_ERROR "the compiled session printed '${printed}'")
  endif()
endif()
