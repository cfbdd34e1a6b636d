# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone: building the tests builds one translation unit for each.
file(GLOB_RECURSE public_headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/include/openinfer/*.h)
set(units "")
foreach(header ${public_headers})
  string(MAKE_C_IDENTIFIER ${header} id)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/headers/${id}.cpp CONTENT "#include <@header@>\n" @ONLY)
  list(APPEND units ${CMAKE_CURRENT_BINARY_DIR}/headers/${id}.cpp)
endforeach()
add_library(openinfer_headers_alone OBJECT ${units})
openinfer_options(openinfer_headers_alone)
target_link_libraries(openinfer_headers_alone PRIVATE openinfer)
# Of the two builds that scripts/test.sh makes the sanitized one takes less time for it.
if(OPENINFER_SANITIZE)
  add_dependencies(openinfer_unit_tests openinfer_headers_alone)
elseif(OPENINFER_UNITY)
  set_target_properties(openinfer_headers_alone PROPERTIES EXCLUDE_FROM_ALL ON)
endif()
