# SPDX-License-Identifier: Apache-2.0
if(TARGET openinfer_command)
  add_test(NAME devices_flags COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/flags_test.py)
  set_tests_properties(devices_flags PROPERTIES LABELS "unit;release_only"
    ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>;OPENINFER_COMPILER=${CMAKE_CXX_COMPILER}")
endif()
