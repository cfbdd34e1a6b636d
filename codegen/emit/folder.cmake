# SPDX-License-Identifier: Apache-2.0
# prelude/* become string literals that renderers print verbatim.
file(GLOB preludes CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/emit/prelude/*)
foreach(prelude ${preludes})
  get_filename_component(name ${prelude} NAME_WE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${prelude})
  file(READ ${prelude} text)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/preludes/prelude_${name}.inc
       CONTENT "R\"PRELUDE(${text})PRELUDE\"" @ONLY)
endforeach()
target_include_directories(openinfer_codegen PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/preludes)
