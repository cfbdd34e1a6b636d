# SPDX-License-Identifier: Apache-2.0
# ccache, told what this tree needs and the user has not configured:
# * without sloppiness it caches nothing that includes a precompiled header;
# * with a base directory paths below it are hashed from the build folder on, so that a clone elsewhere finds what this one compiled.
# GCC only: a precompiled header of clang holds the times of what it was made from, and is void beside other files.

# openinfer_ccache(OUT): the compiler launcher; empty without ccache.
function(openinfer_ccache out)
  find_program(OPENINFER_CCACHE ccache)
  mark_as_advanced(OPENINFER_CCACHE)
  set(${out} "" PARENT_SCOPE)
  if(NOT OPENINFER_CCACHE)
    return()
  endif()
  set(${out} ${OPENINFER_CCACHE} PARENT_SCOPE)
  set(lacking "")
  foreach(key base_dir sloppiness)
    execute_process(COMMAND ${OPENINFER_CCACHE} --get-config ${key} RESULT_VARIABLE code OUTPUT_VARIABLE ${key} OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT code EQUAL 0 OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      return()  # older than 3.7
    endif()
  endforeach()
  if(base_dir STREQUAL "")
    string(APPEND lacking "export CCACHE_BASEDIR='${PROJECT_SOURCE_DIR}'\n")
  endif()
  if(NOT sloppiness MATCHES "pch_defines" OR NOT sloppiness MATCHES "time_macros")
    string(REGEX REPLACE "^(.)" ",\\1" more "${sloppiness}")
    string(APPEND lacking "export CCACHE_SLOPPINESS='pch_defines,time_macros,include_file_mtime,include_file_ctime${more}'\n")
  endif()
  if(lacking STREQUAL "")
    return()
  endif()
  set(launcher ${CMAKE_BINARY_DIR}/openinfer_ccache)
  file(CONFIGURE OUTPUT ${launcher} CONTENT "#!/bin/sh\n${lacking}exec '${OPENINFER_CCACHE}' \"$@\"\n" @ONLY)
  file(CHMOD ${launcher} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  set(${out} ${launcher} PARENT_SCOPE)
endfunction()
