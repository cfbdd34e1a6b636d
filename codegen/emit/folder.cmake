# SPDX-License-Identifier: Apache-2.0
# prelude/* become string literals that renderers print verbatim; prelude/host/* and the package reader those that every
# emitted C++ project holds.
function(openinfer_embed file name)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/preludes/${name}.inc CONTENT "R\"PRELUDE(${text})PRELUDE\"" @ONLY)
endfunction()
file(GLOB preludes LIST_DIRECTORIES false CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/emit/prelude/*)
foreach(prelude ${preludes})
  get_filename_component(name ${prelude} NAME_WE)
  openinfer_embed(${prelude} prelude_${name})
endforeach()
file(GLOB host_files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/emit/prelude/host/*)
list(FILTER host_files EXCLUDE REGEX "/README\\.md$")  # ours; README.md.in is a project's
foreach(file ${host_files} ${PROJECT_SOURCE_DIR}/formats/opnf/reader.h ${PROJECT_SOURCE_DIR}/formats/opnf/reader.cpp
        ${PROJECT_SOURCE_DIR}/formats/opnf/panel16.h ${PROJECT_SOURCE_DIR}/formats/opnf/panel16.cpp)
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE "(\\.in)$" "" name ${name})
  string(REPLACE "." "_" name ${name})
  openinfer_embed(${file} host_${name})
endforeach()
target_include_directories(openinfer_codegen PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/preludes)
