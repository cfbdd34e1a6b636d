# SPDX-License-Identifier: Apache-2.0
option(OPENINFER_VULKAN "Run emitted shaders in this process (Vulkan headers and loader)" ON)
if(OPENINFER_VULKAN)
  find_package(Vulkan QUIET)
  if(Vulkan_FOUND)
    target_compile_definitions(openinfer_codegen PRIVATE OPENINFER_VULKAN)
    target_link_libraries(openinfer_codegen PRIVATE Vulkan::Vulkan)
  else()
    message(STATUS "No Vulkan: headers or loader are missing (Debian: libvulkan-dev)")
  endif()
endif()
# Vulkan's structs have many fields, of which those that are not named shall be zero.
set_source_files_properties(run/vulkan_kernel.cpp run/vulkan_host.cpp
  run/vulkan_executor.cpp PROPERTIES COMPILE_OPTIONS -Wno-missing-field-initializers)
