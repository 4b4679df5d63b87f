# SPDX-License-Identifier: Apache-2.0
# Compiler settings of every target of Strop.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Debug information triples the time to link; `debug` and `sanitizers` have it.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g0" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g0" CACHE STRING "" FORCE)

# Executables look for the libraries beside them and in ../lib, libraries beside them.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/archive)
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_RPATH "$ORIGIN:$ORIGIN/../lib")

# Contraction into fused multiply-add changes results between compilers and machines: where it is wanted, it is
# written out. The prefix map makes __FILE__ relative, so that no path of the build machine is in a binary.
add_compile_options(-ffp-contract=off -fno-math-errno -ffunction-sections -fdata-sections
  -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)

add_link_options($<$<CONFIG:Release>:-s>)

if(STROP_WITH_FUZZERS)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(STROP_SANITIZE)
  # `function` and `vptr` compare types across shared libraries, which share none on purpose.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-fno-sanitize=function)
  endif()
  add_link_options(-fsanitize=address,undefined)
endif()

# Warnings of own code. GCC's warnings about the bounds of copies depend on what it inlined and are wrong about the standard
# library and fmt from version to version; the sanitizers find the real cases.
set(STROP_WARNINGS -Wall -Wextra)
if(STROP_WARNINGS_AS_ERRORS)
  list(APPEND STROP_WARNINGS -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND STROP_WARNINGS -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict
    -Wno-dangling-reference -Wno-error=maybe-uninitialized)
  if(STROP_SANITIZE)
    list(APPEND STROP_WARNINGS -Wno-maybe-uninitialized)
  endif()
endif()

find_package(Threads REQUIRED)

find_program(STROP_CCACHE ccache)
if(STROP_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Relative paths, so that several checkouts share what is compiled.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${STROP_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
