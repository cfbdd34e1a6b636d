# SPDX-License-Identifier: Apache-2.0
# The Python writer and reader, with the interpreter of scripts/setup.sh if it is there.
if(NOT DEFINED OPENINFER_PYTHON)
  set(OPENINFER_PYTHON python3)
  if(EXISTS ${PROJECT_SOURCE_DIR}/build/venv/bin/python)
    set(OPENINFER_PYTHON ${PROJECT_SOURCE_DIR}/build/venv/bin/python)
  endif()
endif()
add_test(NAME formats_opnf_python COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/opnf_test.py)
set_tests_properties(formats_opnf_python PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
