# SPDX-License-Identifier: Apache-2.0
# strop_flatbuffers(result): compiles *.fbs of the calling folder to <name>_generated.h in the build tree,
# reachable as "<folder below src>/<name>_generated.h". Returns the headers, to be given to strop_component(... GENERATED).
function(strop_flatbuffers result)
  file(GLOB schemas CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.fbs)
  file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR})
  set(output_dir ${CMAKE_BINARY_DIR}/generated/${folder})
  set(headers "")
  foreach(schema ${schemas})
    get_filename_component(stem ${schema} NAME_WE)
    set(header ${output_dir}/${stem}_generated.h)
    add_custom_command(OUTPUT ${header}
      COMMAND ${STROP_FLATC} --cpp --cpp-std c++17 --scoped-enums -o ${output_dir} ${schema}
      DEPENDS ${schemas} COMMENT "flatc ${folder}/${stem}.fbs" VERBATIM)
    list(APPEND headers ${header})
  endforeach()
  set(${result} ${headers} PARENT_SCOPE)
endfunction()
