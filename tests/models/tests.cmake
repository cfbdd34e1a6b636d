# SPDX-License-Identifier: Apache-2.0
# Whole models: need build/models/smollm2.oinf (scripts/demo_model.sh) and take a minute; release only.
openinfer_test_program(models ${CMAKE_CURRENT_LIST_DIR})
add_test(NAME models COMMAND models_tests)
set_tests_properties(models PROPERTIES LABELS model TIMEOUT 1200)
# The same tokens from what is compiled, for this CPU and for lavapipe: in this process and emitted. lavapipe takes minutes for
# all of them: `ctest -L matrix` has that, `-L model` one prompt.
if(TARGET openinfer_command)
  foreach(case Cpu VulkanShort Vulkan)
    add_test(NAME models_${case} COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/compiled_test.py ${case})
    set_tests_properties(models_${case} PROPERTIES LABELS model TIMEOUT 2400
      ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  endforeach()
  set_tests_properties(models_Vulkan PROPERTIES LABELS matrix)
endif()
if(TARGET openinfer_command AND NOT OPENINFER_SANITIZE)
  add_test(NAME models_budget COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/budget_test.py)
  set_tests_properties(models_budget PROPERTIES LABELS model TIMEOUT 2400
    ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  foreach(case tokens embed)
    add_test(NAME models_minilm_${case} COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/minilm_${case}_test.py)
    set_tests_properties(models_minilm_${case} PROPERTIES LABELS model SKIP_RETURN_CODE 77 TIMEOUT 1200
      ENVIRONMENT "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>")
  endforeach()
endif()
# Tiny checkpoints of every family: nothing to fetch. lavapipe takes minutes where the machine has other work.
if(TARGET openinfer_command AND NOT OPENINFER_SANITIZE)
  foreach(case Sim Cpu CpuOthers Vulkan VulkanOthers)
    add_test(NAME models_families_${case} COMMAND ${OPENINFER_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/family_graphs_test.py ${case})
    set_tests_properties(models_families_${case} PROPERTIES LABELS unit TIMEOUT 900 SKIP_RETURN_CODE 77 ENVIRONMENT
      "OPENINFER_COMMAND=$<TARGET_FILE:openinfer_command>;XDG_CACHE_HOME=${OPENINFER_TEST_CACHE}")
  endforeach()
  set_tests_properties(models_families_Vulkan PROPERTIES LABELS model)
  set_tests_properties(models_families_CpuOthers models_families_VulkanOthers PROPERTIES LABELS matrix TIMEOUT 2400)
endif()
