# SPDX-License-Identifier: Apache-2.0
# openinfer_unity(TARGET [EXCEPT REGEX…]): with OPENINFER_UNITY the sources of a folder are compiled eight in one, which takes
# half the time of a cold build; a changed file then compiles its seven neighbours too, so it is for builds made once (release,
# sanitizers, outside projects) and off in the preset dev. Two sources of a folder share no name in an anonymous namespace; EXCEPT
# names the files that do.
function(openinfer_unity target)
  if(NOT OPENINFER_UNITY)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "EXCEPT")
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    cmake_path(GET source PARENT_PATH folder)
    set(alone OFF)
    foreach(pattern ${arg_EXCEPT})
      if(source MATCHES "${pattern}")
        set(alone ON)
      endif()
    endforeach()
    if(NOT alone)
      string(MAKE_C_IDENTIFIER "${folder}" group)
      math(EXPR count "0${count_${group}} + 1")
      set(count_${group} ${count})
      math(EXPR batch "${count} / 8")
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP "${group}_${batch}")
    endif()
  endforeach()
endfunction()
