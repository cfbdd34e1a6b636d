# SPDX-License-Identifier: Apache-2.0
# The conversion script: each *_test.py is one program. Exit code 77: a Python library of scripts/requirements.txt is missing.
# Nothing compiled runs here, so builds with sanitizers leave it out.
if(OPENINFER_SANITIZE)
  return()
endif()
file(GLOB convert_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_test.py)
foreach(file ${convert_tests})
  cmake_path(GET file STEM name)
  add_test(NAME convert_${name} COMMAND ${OPENINFER_PYTHON} -B ${file})
  set_tests_properties(convert_${name} PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
endforeach()
