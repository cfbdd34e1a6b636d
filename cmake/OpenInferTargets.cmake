# SPDX-License-Identifier: Apache-2.0
# What every target of the project shares: language, warnings, numerics, sanitizers.

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
    include(OpenInferCcache)
    openinfer_ccache(CMAKE_CXX_COMPILER_LAUNCHER)
  endif()
endif()

# Warnings are errors with the compilers that the tree is kept clean for; another one's new warnings stop nobody's build.
set(kept_clean OFF)
if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
   OR (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15))
  set(kept_clean ON)
endif()
option(OPENINFER_WERROR "Warnings are errors" ${kept_clean})

# Programs under sanitizers are large: with clang, lld links them in a quarter of the time.
if(OPENINFER_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=lld OPENINFER_HAS_LLD)
  if(OPENINFER_HAS_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

# Whoever gives no build type, as a project that adds this tree as a folder may, would get a simulator many times slower: our
# own targets are optimised then. A build type, or -O in CMAKE_CXX_FLAGS, is an answer.
get_property(several_types GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
set(OPENINFER_DEFAULT_OPTIMISATION "")
if(NOT CMAKE_BUILD_TYPE AND NOT several_types AND NOT CMAKE_CXX_FLAGS MATCHES "(^| )-O")
  set(OPENINFER_DEFAULT_OPTIMISATION -O2)
  message(STATUS "OpenInfer: no CMAKE_BUILD_TYPE is given; its own targets are compiled with -O2")
endif()

function(openinfer_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  # The reference numerics forbid contraction of a*b+c: the same bits on every machine.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wswitch-enum -ffp-contract=off
                         ${OPENINFER_DEFAULT_OPTIMISATION})
  if(PROJECT_IS_TOP_LEVEL AND OPENINFER_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  if(OPENINFER_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${OPENINFER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    # Reports name files from the root on: what a clone elsewhere compiled is then the same, and ccache finds it.
    target_compile_options(${target} PRIVATE -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
    target_link_options(${target} PUBLIC -fsanitize=${OPENINFER_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # Instrumented code confuses GCC's flow analysis: it reports Catch2's and libstdc++'s own std::function.
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endif()
  endif()
endfunction()

# openinfer_compile_quickly(TARGET LEVEL): for targets that are mostly the headers of Catch2, CLI11 and the JSON library, which
# sanitizers check as well: -O1 takes a quarter less to compile than -O2, and -O0 a quarter less than -O1, half under sanitizers,
# where it is always taken. What takes time when they run is in the libraries.
function(openinfer_compile_quickly target level)
  if(OPENINFER_SANITIZE)
    set(level -O0)
  endif()
  target_compile_options(${target} PRIVATE ${level})
endfunction()

# openinfer_optimise_sanitized(SOURCE…): what most of the time of sanitized tests goes into is optimised there too.
function(openinfer_optimise_sanitized)
  if(OPENINFER_SANITIZE)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O2 SKIP_PRECOMPILE_HEADERS ON)
  endif()
endfunction()
