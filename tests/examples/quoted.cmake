# SPDX-License-Identifier: Apache-2.0
# cmake -DREADME=F.md -DEXAMPLE=F.cpp -P quoted.cmake: the first ```cpp block of the README is the example from its first
# #include on.
file(READ ${README} readme)
file(READ ${EXAMPLE} example)
string(REGEX MATCH "```cpp\n([^`]*)```" block "${readme}")
set(quoted "${CMAKE_MATCH_1}")
string(FIND "${example}" "#include" start)
if(quoted STREQUAL "" OR start EQUAL -1)
  message(FATAL_ERROR "${README} has no ```cpp block, or ${EXAMPLE} no #include")
endif()
string(SUBSTRING "${example}" ${start} -1 code)
if(NOT quoted STREQUAL code)
  message(FATAL_ERROR "${README} quotes\n${quoted}\nbut ${EXAMPLE} is\n${code}")
endif()
