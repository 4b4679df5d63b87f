# SPDX-License-Identifier: Apache-2.0
# cmake --install: libraries, command line, public headers, the CMake package Strop (Strop::runtime, Strop::builder) and
# the pkg-config files strop (runtime) and strop-builder. Libraries that the runtime opens on demand lie beside it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Strop)

install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(exported "")
foreach(name runtime builder)
  if(TARGET strop_${name})
    set_target_properties(strop_${name} PROPERTIES EXPORT_NAME ${name} VERSION ${PROJECT_VERSION}
      SOVERSION ${PROJECT_VERSION_MAJOR})
    target_include_directories(strop_${name} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    install(TARGETS strop_${name} EXPORT StropTargets
      LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
      ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    list(APPEND exported ${name})
  endif()
endforeach()

foreach(name strop_ops strop_cpu strop_cuda)
  if(TARGET ${name})
    install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
      ARCHIVE EXCLUDE_FROM_ALL DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endforeach()
if(TARGET strop_cli)
  install(TARGETS strop_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET strop_onednn_copy)
  install(PROGRAMS ${STROP_ONEDNN_LIBRARY} DESTINATION ${CMAKE_INSTALL_LIBDIR})
  if(EXISTS ${STROP_ONEDNN_ROOT}/LICENSE.txt)
    install(FILES ${STROP_ONEDNN_ROOT}/LICENSE.txt DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME LICENSE.oneDNN)
  endif()
endif()

if(exported)
  install(EXPORT StropTargets NAMESPACE Strop:: DESTINATION ${package_dir})
  configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/StropConfig.cmake.in ${CMAKE_BINARY_DIR}/StropConfig.cmake
    INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/StropConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/StropConfig.cmake ${CMAKE_BINARY_DIR}/StropConfigVersion.cmake DESTINATION ${package_dir})
  file(RELATIVE_PATH STROP_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" STROP_PC_TO_PREFIX ${STROP_PC_TO_PREFIX})
  foreach(name strop strop-builder)
    configure_file(${CMAKE_SOURCE_DIR}/cmake/${name}.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  endforeach()
endif()
