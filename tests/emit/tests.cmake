# SPDX-License-Identifier: Apache-2.0
# Emitted projects, built by CMake and run. Compiling them says nothing new under a sanitizer.
if(TARGET openinfer_command)
  set(arm Arm)
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")  # it compares with a project for x86-64-v2
    set(arm "")
  endif()
  foreach(case Tensors Order Rows Batch ${arm} VulkanTensors VulkanEveryTensors VulkanOrder VulkanRows VulkanBatch)
    set(file emit_rows_test.py)
    if(case MATCHES "^Vulkan")
      set(file emit_vulkan_test.py)
    elseif(case STREQUAL "Tensors")
      set(file emit_test.py)
    elseif(case STREQUAL "Order")
      set(file emit_order_test.py)
    endif()
    add_test(NAME emit_${case} COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/${file} ${case})
    set_tests_properties(emit_${case} PROPERTIES LABELS "unit;release_only" TIMEOUT 900 SKIP_RETURN_CODE 77
      ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  endforeach()
  set_tests_properties(emit_VulkanEveryTensors PROPERTIES LABELS "matrix;release_only")
  # Kernels for NVIDIA's rows, through NVRTC where it is there; all of them for every row, and those of SmolLM2, take a minute.
  foreach(case Kernels EveryKernel SmolLM2)
    add_test(NAME emit_Cuda${case} COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/emit_cuda_test.py ${case})
    set_tests_properties(emit_Cuda${case} PROPERTIES LABELS "unit;release_only" TIMEOUT 900
      ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  endforeach()
  set_tests_properties(emit_CudaEveryKernel emit_CudaSmolLM2 PROPERTIES LABELS "matrix;release_only")
  add_test(NAME emit_Budget COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/budget_test.py)
  set_tests_properties(emit_Budget PROPERTIES LABELS "unit;release_only" TIMEOUT 900
    ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  add_test(NAME emit_laid_out COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/laid_out_test.py)
  set_tests_properties(emit_laid_out PROPERTIES LABELS "unit;release_only" TIMEOUT 900
    ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  # What a project needs where nothing of ours is.
  add_test(NAME emit_bare COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/bare_test.py)
  set_tests_properties(emit_bare PROPERTIES LABELS "unit;release_only" TIMEOUT 900
    ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  # A package that shrinks under the program.
  add_test(NAME emit_cut COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/cut_test.py)
  set_tests_properties(emit_cut PROPERTIES LABELS "unit;release_only" TIMEOUT 900
    ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  # Threads of emitted programs under ThreadSanitizer: three projects, compiled with it.
  add_test(NAME emit_threads COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/threads_test.py)
  set_tests_properties(emit_threads PROPERTIES LABELS "matrix;release_only" TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  # Faults planted in emitted kernels: some 80 small compilations.
  add_test(NAME emit_check COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/check_test.py)
  add_test(NAME emit_check_experts COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/check_experts_test.py)
  add_test(NAME emit_check_vulkan COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/check_vulkan_test.py)
  set_tests_properties(emit_check emit_check_experts emit_check_vulkan PROPERTIES LABELS "unit;release_only" TIMEOUT 900
    ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  set_tests_properties(emit_check_experts PROPERTIES LABELS "matrix;release_only")  # a minute
  # One fault a kernel there; all of them here.
  foreach(case check check_vulkan)
    add_test(NAME emit_${case}_every_fault COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/${case}_test.py)
    set_tests_properties(emit_${case}_every_fault PROPERTIES LABELS "matrix;release_only" TIMEOUT 900
      ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>;OPENINFER_EVERY_FAULT=1")
  endforeach()
endif()

# Buffers by name and stored matrices, as the tests of the templates have them; a device.
set(kernel_tests ${PROJECT_SOURCE_DIR}/tests/kernels)
set(vulkan_tests ${PROJECT_SOURCE_DIR}/tests/emit/vulkan)
target_sources(emit_tests PRIVATE ${kernel_tests}/template_run.cpp ${kernel_tests}/stored.cpp ${vulkan_tests}/device.cpp)
target_include_directories(emit_tests PRIVATE ${kernel_tests} ${vulkan_tests} ${PROJECT_SOURCE_DIR}/formats/opnf)
# Drivers leak: LeakSanitizer finds them in modules that are no longer loaded.
# Who could not look at shaders did not pass. (NVRTC is no package that setup.sh installs: without it the cases of CUDA say so, and the
# others count.)
set_tests_properties(emit PROPERTIES LABELS "unit;release_only" SKIP_REGULAR_EXPRESSION "skipped: (no SPIR-V|this build has no GLSL)")

# The tests of the templates once more: as shaders on a device (emit_vulkan_tests), and with their kernels compiled as CUDA
# (emit_cuda_tests).
file(GLOB template_tests CONFIGURE_DEPENDS ${kernel_tests}/*_test.cpp)
list(FILTER template_tests EXCLUDE REGEX "/(scalar|outer_mma|bf16_tiles|few_rows)_")  # on CPUs alone: tiles_test.cpp, cpp_test.cpp
foreach(device cuda vulkan)
  openinfer_test_program(emit_${device} ${PROJECT_SOURCE_DIR}/tests/emit/${device})
  if(device STREQUAL vulkan)  # lavapipe has no matrix units: glsl_test.cpp compiles those shaders
    list(FILTER template_tests EXCLUDE REGEX "/product_mma_")
  endif()
  target_sources(emit_${device}_tests PRIVATE ${template_tests} ${kernel_tests}/attention_problem.cpp ${kernel_tests}/template_run.cpp ${kernel_tests}/stored.cpp)
  target_include_directories(emit_${device}_tests PRIVATE ${kernel_tests})
  add_test(NAME emit_${device} COMMAND emit_${device}_tests)
  set_tests_properties(emit_${device} PROPERTIES LABELS "unit;release_only" SKIP_REGULAR_EXPRESSION "skipped:" TIMEOUT 900)
endforeach()
# Kernels of one subgroup too, and those of devices that can less.
add_test(NAME emit_vulkan_every_target COMMAND emit_vulkan_tests)
set_tests_properties(emit_vulkan_every_target PROPERTIES LABELS "matrix;release_only" SKIP_REGULAR_EXPRESSION "skipped:" TIMEOUT 1800
  ENVIRONMENT OPENINFER_EVERY_TARGET=1)
if(OPENINFER_SANITIZE)
  set_target_properties(emit_vulkan_tests PROPERTIES EXCLUDE_FROM_ALL ON)
else()
  add_dependencies(openinfer_unit_tests emit_vulkan_tests)
endif()
# NVRTC takes a minute and is no package of the systems that setup.sh knows: ctest -L matrix.
set_tests_properties(emit_cuda PROPERTIES LABELS "matrix;release_only")
set_target_properties(emit_cuda_tests PROPERTIES EXCLUDE_FROM_ALL ON)
# C++ by every compiler for every row of the device database that runs here, natively or in QEMU.
add_test(NAME emit_every_build COMMAND emit_tests "[every_build]")
set_tests_properties(emit_every_build PROPERTIES LABELS "matrix;release_only" TIMEOUT 1800)
add_custom_target(openinfer_matrix_tests DEPENDS emit_cuda_tests emit_tests)
