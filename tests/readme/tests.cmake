# SPDX-License-Identifier: Apache-2.0
# The README's program is compiled as it stands there; running it without a package must say so in one line.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/README.md)
file(READ ${PROJECT_SOURCE_DIR}/README.md readme)
string(REGEX MATCH "```cpp\n([^`]*)```" block "${readme}")
if(NOT CMAKE_MATCH_1)
  message(FATAL_ERROR "README.md has no ```cpp block")
endif()
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/readme/snippet.cpp.new "${CMAKE_MATCH_1}")
file(COPY_FILE ${CMAKE_CURRENT_BINARY_DIR}/readme/snippet.cpp.new ${CMAKE_CURRENT_BINARY_DIR}/readme/snippet.cpp ONLY_IF_DIFFERENT)
add_executable(readme_snippet ${CMAKE_CURRENT_BINARY_DIR}/readme/snippet.cpp)
openinfer_options(readme_snippet)
target_link_libraries(readme_snippet PRIVATE OpenInfer::openinfer)
# Through a shell: the program has no try, so the error ends it by abort, which ctest would count as a crash.
add_test(NAME readme_snippet COMMAND sh -c "$<TARGET_FILE:readme_snippet> || true" WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/readme)
set_tests_properties(readme_snippet PROPERTIES LABELS unit PASS_REGULAR_EXPRESSION "model.oinf")
add_dependencies(openinfer_unit_tests readme_snippet)
