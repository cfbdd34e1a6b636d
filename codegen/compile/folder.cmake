# SPDX-License-Identifier: Apache-2.0
# glslang and SPIRV-Tools compile and check emitted shaders. NVRTC is loaded when it is asked for: nothing to find here.
option(OPENINFER_SPIRV "Compile emitted GLSL to SPIR-V (glslang, SPIRV-Tools)" ON)
if(OPENINFER_SPIRV)
  # By hand: glslang's package for CMake stops where its command line tools are not installed as well. Newer releases
  # have fewer parts.
  set(spirv_libraries "")
  foreach(name SPIRV glslang MachineIndependent GenericCodeGen OGLCompiler OSDependent glslang-default-resource-limits
               SPIRV-Tools-opt SPIRV-Tools)
    find_library(OPENINFER_${name}_LIBRARY ${name})
    mark_as_advanced(OPENINFER_${name}_LIBRARY)
    if(OPENINFER_${name}_LIBRARY)
      list(APPEND spirv_libraries ${OPENINFER_${name}_LIBRARY})
    endif()
  endforeach()
  find_path(OPENINFER_GLSLANG_INCLUDE glslang/SPIRV/GlslangToSpv.h)
  find_path(OPENINFER_SPIRV_TOOLS_INCLUDE spirv-tools/optimizer.hpp)
  mark_as_advanced(OPENINFER_GLSLANG_INCLUDE OPENINFER_SPIRV_TOOLS_INCLUDE)
  if(OPENINFER_GLSLANG_INCLUDE AND OPENINFER_SPIRV_TOOLS_INCLUDE AND OPENINFER_glslang_LIBRARY AND OPENINFER_SPIRV-Tools-opt_LIBRARY)
    target_compile_definitions(openinfer_codegen PRIVATE OPENINFER_SPIRV)
    target_include_directories(openinfer_codegen SYSTEM PRIVATE ${OPENINFER_GLSLANG_INCLUDE} ${OPENINFER_SPIRV_TOOLS_INCLUDE})
    target_link_libraries(openinfer_codegen PRIVATE ${spirv_libraries})
    if(OPENINFER_SANITIZE MATCHES undefined)  # Debian builds glslang without run-time type information
      set_property(SOURCE ${CMAKE_CURRENT_SOURCE_DIR}/compile/spirv.cpp APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=vptr)
    endif()
  else()
    message(STATUS "No SPIR-V: glslang or SPIRV-Tools is missing (Debian: glslang-dev, spirv-tools)")
  endif()
endif()
