# SPDX-License-Identifier: Apache-2.0
# The libraries that are installed. Each holds its components whole and exports the C symbols that its sources mark;
# a library whose components have no sources yet is left out.

function(strop_shared_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "COMPONENT" "LIBS")
  strop_component_has_sources(${arg_COMPONENT} present)
  if(NOT present)
    message(STATUS "lib${name} left out: no sources yet")
    return()
  endif()
  set(anchor ${CMAKE_BINARY_DIR}/generated/${name}.cpp)
  file(CONFIGURE OUTPUT ${anchor} CONTENT "// All code of this library comes from its components.\n")
  add_library(${name} SHARED ${anchor})
  set_target_properties(${name} PROPERTIES PREFIX lib)
  target_link_libraries(${name} PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,component_${arg_COMPONENT}> ${arg_LIBS})
  if(NOT WIN32)
    # Templates of the standard library are exported otherwise, and libraries would share them by accident.
    set(exports ${CMAKE_SOURCE_DIR}/cmake/strop_exports.map)
    target_link_options(${name} PRIVATE LINKER:--version-script=${exports})
    set_target_properties(${name} PROPERTIES LINK_DEPENDS ${exports})
  endif()
  if(NOT WIN32 AND NOT STROP_SANITIZE)
    target_link_options(${name} PRIVATE LINKER:--no-undefined)
  endif()
  target_link_options(${name} PRIVATE LINKER:--gc-sections)
endfunction()

strop_shared_library(strop_runtime COMPONENT runtime)
strop_shared_library(strop_ops COMPONENT reference)
strop_shared_library(strop_builder COMPONENT builder)
if(STROP_WITH_CPU)
  strop_shared_library(strop_cpu COMPONENT cpu_kernels)
  if(TARGET strop_cpu AND STROP_WITH_ONEDNN)
    # Found beside libstrop_cpu.so at run time.
    set(copy ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/libdnnl.so.3)
    add_custom_command(OUTPUT ${copy} COMMAND ${CMAKE_COMMAND} -E copy ${STROP_ONEDNN_LIBRARY} ${copy}
      DEPENDS ${STROP_ONEDNN_LIBRARY} COMMENT "oneDNN beside libstrop_cpu.so" VERBATIM)
    add_custom_target(strop_onednn_copy ALL DEPENDS ${copy})
    add_dependencies(strop_cpu strop_onednn_copy)
  endif()
endif()
