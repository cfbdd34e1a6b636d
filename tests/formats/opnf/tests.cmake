# SPDX-License-Identifier: Apache-2.0
# The Python writer and reader. Exit code 77: numpy or xxhash is missing.
add_test(NAME formats_opnf_python COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/opnf_test.py)
set_tests_properties(formats_opnf_python PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
