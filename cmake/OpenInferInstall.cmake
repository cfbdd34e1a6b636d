# SPDX-License-Identifier: Apache-2.0
# cmake --install: headers, library, command and the package that find_package(OpenInfer) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS openinfer EXPORT OpenInferTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/openinfer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET openinfer_command)
  install(TARGETS openinfer_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  if(OPENINFER_MANUAL)
    install(FILES ${OPENINFER_MANUAL} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${OPENINFER_COMPLETIONS}.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME openinfer)
    install(FILES ${OPENINFER_COMPLETIONS}.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _openinfer)
    install(FILES ${OPENINFER_COMPLETIONS}.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  endif()
  # What `openinfer convert` runs; it needs Python with scripts/requirements.txt.
  set(scripts_dir ${CMAKE_INSTALL_DATADIR}/openinfer/scripts)
  install(PROGRAMS scripts/convert.py DESTINATION ${scripts_dir})
  file(GLOB modules CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/scripts/opnf*.py)
  install(FILES ${modules} scripts/requirements.txt DESTINATION ${scripts_dir})
  install(DIRECTORY scripts/openinfer_convert scripts/architectures DESTINATION ${scripts_dir} PATTERN __pycache__ EXCLUDE)
endif()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/OpenInfer)
install(EXPORT OpenInferTargets NAMESPACE OpenInfer:: DESTINATION ${package_dir})
configure_package_config_file(cmake/OpenInferConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/OpenInferConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/OpenInferConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/OpenInferConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/OpenInferConfigVersion.cmake DESTINATION ${package_dir})
