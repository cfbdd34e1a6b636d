# SPDX-License-Identifier: Apache-2.0
# The command as users see it: each *_test.py runs it on packages that tiny_llama.py makes. Under sanitizers what takes longest and
# feeds it nothing hostile is left to `ctest --preset asan-ubsan`, which leaves out nothing.
set(long_cli_tests devices_test embed_test encoder_decoder_test eval_test explain_test run_numerics_test state_test)
if(TARGET openinfer_command)
  add_dependencies(openinfer_unit_tests openinfer_command)
  file(GLOB cli_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_test.py)
  # Drivers leak, which AddressSanitizer takes for the command's fault.
  set(vulkan 0)
  get_target_property(definitions openinfer_codegen COMPILE_DEFINITIONS)
  if("OPENINFER_VULKAN" IN_LIST definitions AND NOT OPENINFER_SANITIZE)
    set(vulkan 1)
  endif()
  foreach(file ${cli_tests})
    cmake_path(GET file STEM name)
    set(labels unit)
    if(name IN_LIST long_cli_tests)
      list(APPEND labels release_only)
    endif()
    add_test(NAME cli_${name} COMMAND ${OPENINFER_PYTHON} -B ${file})
    set_tests_properties(cli_${name} PROPERTIES LABELS "${labels}" ENVIRONMENT
      "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>;XDG_CACHE_HOME=${OPENINFER_TEST_CACHE};OPENINFER_VULKAN=${vulkan}")
  endforeach()
endif()
target_sources(cli_tests PRIVATE ${PROJECT_SOURCE_DIR}/codegen/cli/standard_output.cpp)
