# SPDX-License-Identifier: Apache-2.0
add_test(NAME static_compile_fail COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/compile_fail_test.py)
set_tests_properties(static_compile_fail PROPERTIES LABELS "unit;release_only")
