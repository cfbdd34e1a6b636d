# SPDX-License-Identifier: Apache-2.0
# Whole models: need build/models/smollm2.oinf (scripts/demo_model.sh) and take a minute; release only.
openinfer_test_program(models ${CMAKE_CURRENT_LIST_DIR})
add_test(NAME models COMMAND models_tests)
set_tests_properties(models PROPERTIES LABELS model TIMEOUT 1200 COST 50)
