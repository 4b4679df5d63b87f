# SPDX-License-Identifier: Apache-2.0
# What Strop takes from outside. The target strop_headers stands for the header-only libraries: fmt, xxHash,
# protozero, FlatBuffers, CLI11, nlohmann/json.

add_library(strop_headers INTERFACE)
target_compile_definitions(strop_headers INTERFACE FMT_HEADER_ONLY XXH_INLINE_ALL)

if(WIN32)
  # All targets of this tree hold the components themselves; dllimport is for users of the installed libraries.
  target_compile_definitions(strop_headers INTERFACE STROP_EXPORTS)
endif()

if(CMAKE_CROSSCOMPILING)
  # /usr/include is the host's: a folder of links shows the header-only libraries and nothing else of it.
  set(headers ${CMAKE_BINARY_DIR}/headers)
  file(MAKE_DIRECTORY ${headers})
  foreach(name fmt xxhash.h protozero flatbuffers CLI nlohmann boost)
    find_path(STROP_HOST_${name} ${name} PATHS /usr/include /usr/local/include NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH REQUIRED)
    file(CREATE_LINK ${STROP_HOST_${name}}/${name} ${headers}/${name} SYMBOLIC)
  endforeach()
  target_include_directories(strop_headers SYSTEM INTERFACE ${headers})
endif()

find_program(STROP_FLATC flatc REQUIRED)  # runs on the host

# oneDNN is opened at run time; the build needs its headers and puts the library beside libstrop_cpu.so.
set(STROP_WITH_ONEDNN 0)
foreach(root ${STROP_ONEDNN_ROOT}/data ${STROP_ONEDNN_ROOT})
  if(NOT STROP_WITH_ONEDNN AND EXISTS ${root}/include/oneapi/dnnl/dnnl.h AND EXISTS ${root}/lib/libdnnl.so.3)
    set(STROP_WITH_ONEDNN 1)
    set(STROP_ONEDNN_INCLUDE ${root}/include)
    set(STROP_ONEDNN_LIBRARY ${root}/lib/libdnnl.so.3)
  endif()
endforeach()
if(STROP_WITH_CPU AND NOT STROP_WITH_ONEDNN)
  message(STATUS "oneDNN not found in ${STROP_ONEDNN_ROOT}: the CPU backend is built without it")
endif()

add_library(strop_onednn_headers INTERFACE)
target_compile_definitions(strop_onednn_headers INTERFACE STROP_WITH_ONEDNN=${STROP_WITH_ONEDNN})
if(STROP_WITH_ONEDNN)
  target_include_directories(strop_onednn_headers SYSTEM INTERFACE ${STROP_ONEDNN_INCLUDE})
endif()

# CUDA's libraries are opened at run time; the build needs the headers of the driver API and of NVRTC, from a toolkit or
# from the wheels of PyPI that script/bootstrap unpacks in .cache/cuda.
set(STROP_CUDA_ROOT "" CACHE PATH "CUDA toolkit, or folder with include/cuda.h and include/nvrtc.h")
if(STROP_WITH_CUDA AND NOT CMAKE_CROSSCOMPILING)
  set(places /usr/local/cuda/include ${CMAKE_SOURCE_DIR}/.cache/cuda/include)
  find_path(STROP_CUDA_INCLUDE cuda.h HINTS ${STROP_CUDA_ROOT}/include PATHS ${places} NO_DEFAULT_PATH)
  find_path(STROP_NVRTC_INCLUDE nvrtc.h HINTS ${STROP_CUDA_ROOT}/include PATHS ${places} NO_DEFAULT_PATH)
endif()
if(NOT STROP_CUDA_INCLUDE OR NOT STROP_NVRTC_INCLUDE)
  if(STROP_WITH_CUDA AND NOT CMAKE_CROSSCOMPILING)
    message(STATUS "CUDA's headers not found: built without the CUDA backend")
  endif()
  set(STROP_WITH_CUDA OFF)
endif()
add_library(strop_cuda_headers INTERFACE)
if(STROP_WITH_CUDA)
  target_include_directories(strop_cuda_headers SYSTEM INTERFACE ${STROP_CUDA_INCLUDE} ${STROP_NVRTC_INCLUDE})
endif()

# NVIDIA's libraries of kernels, opened at run time by the steps that use them: optional, each with headers of its own.
foreach(library CUBLASLT CUDNN)
  set(header cublasLt.h)
  if(library STREQUAL CUDNN)
    set(header cudnn_graph.h)
  endif()
  set(STROP_WITH_${library} 0)
  if(STROP_WITH_CUDA)
    find_path(STROP_${library}_INCLUDE ${header} HINTS ${STROP_CUDA_ROOT}/include PATHS /usr/local/cuda/include ${wheels} NO_DEFAULT_PATH)
    find_path(STROP_CUDART_INCLUDE cuda_runtime.h HINTS ${STROP_CUDA_ROOT}/include PATHS /usr/local/cuda/include ${wheels} NO_DEFAULT_PATH)
    if(STROP_${library}_INCLUDE AND STROP_CUDART_INCLUDE)
      set(STROP_WITH_${library} 1)
      target_include_directories(strop_cuda_headers SYSTEM INTERFACE ${STROP_${library}_INCLUDE} ${STROP_CUDART_INCLUDE})
    else()
      message(STATUS "${header} not found: the CUDA backend is built without that library")
    endif()
  endif()
  target_compile_definitions(strop_cuda_headers INTERFACE STROP_WITH_${library}=${STROP_WITH_${library}})
endforeach()
