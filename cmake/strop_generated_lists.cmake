# SPDX-License-Identifier: Apache-2.0
# Lists made from file names: adding a file is all it takes to add an operator, a converter, a tactic or a kernel.
# Each function below writes one .cpp into the build tree (only when its content changes) and returns its path
# for strop_component(... GENERATED). Files whose names end in _support.cpp are helpers and are not listed.

function(strop_list_names result glob suffix)
  file(GLOB files CONFIGURE_DEPENDS ${glob})
  list(FILTER files EXCLUDE REGEX "_support\\.cpp$")
  if(NOT STROP_WITH_ONEDNN)
    list(FILTER files EXCLUDE REGEX "/onednn_[a-z]+_kernel\\.cpp$")
  endif()
  if(NOT STROP_WITH_CUBLASLT)
    list(FILTER files EXCLUDE REGEX "/[a-z]+_cublaslt\\.cpp$")
  endif()
  if(NOT STROP_WITH_CUDNN)
    list(FILTER files EXCLUDE REGEX "/[a-z]+_cudnn\\.cpp$")
  endif()
  set(names "")
  foreach(file ${files})
    get_filename_component(name ${file} NAME)
    string(REGEX REPLACE "${suffix}$" "" name ${name})
    list(APPEND names ${name})
  endforeach()
  set(${result} ${names} PARENT_SCOPE)
endfunction()

# One line per name, with @name@ replaced.
function(strop_list_lines result template)
  set(text "")
  foreach(name ${ARGN})
    string(REPLACE "@name@" "${name}" line "${template}")
    string(APPEND text "${line}\n")
  endforeach()
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

# src/ops/<name>.cpp defines `namespace strop { const OpDef& op_<name>(); }`.
# Generates all_ops() and find_op(), declared in ops/op_list.hpp.
function(strop_generate_op_list result)
  strop_list_names(names ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp "\\.cpp")
  list(SORT names)
  strop_list_lines(declarations "const OpDef& op_@name@();" ${names})
  strop_list_lines(entries "      &op_@name@()," ${names})
  list(LENGTH names count)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/op_list.cpp)
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [=[// Generated from the file names of src/ops.
#include "ops/op_list.hpp"

#include <array>

namespace strop {
@declarations@
std::span<const OpDef* const> all_ops() {
  static const std::array<const OpDef*, @count@> ops = {
@entries@  };
  return ops;
}

const OpDef* find_op(std::string_view name) {
  for (const OpDef* op : all_ops()) {
    if (op->name == name) return op;
  }
  return nullptr;
}
}  // namespace strop
]=])
  set(${result} ${output} PARENT_SCOPE)
endfunction()

# src/onnx/convert/<name>.cpp defines `namespace strop::onnx { void register_<name>(ConverterTable&); }`.
# Generates `void strop::onnx::register_all_converters(ConverterTable&)`, declared in onnx/converter_table.hpp.
function(strop_generate_converter_list result)
  strop_list_names(names ${CMAKE_CURRENT_SOURCE_DIR}/convert/*.cpp "\\.cpp")
  strop_list_lines(declarations "void register_@name@(ConverterTable&);" ${names})
  strop_list_lines(entries "  register_@name@(table);" ${names})
  set(output ${CMAKE_CURRENT_BINARY_DIR}/converter_list.cpp)
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [=[// Generated from the file names of src/onnx/convert.
#if __has_include("onnx/converter_table.hpp")
#include "onnx/converter_table.hpp"
#else
namespace strop::onnx {
class ConverterTable;
}
#endif
namespace strop::onnx {
@declarations@
void register_all_converters(ConverterTable&);
void register_all_converters([[maybe_unused]] ConverterTable& table) {
@entries@}
}  // namespace strop::onnx
]=])
  set(${result} ${output} PARENT_SCOPE)
endfunction()

# src/backends/cpu/tactics/<name>.cpp defines `namespace strop::cpu { const Tactic& tactic_<name>(); }`.
# Generates `std::span<const Tactic* const> strop::cpu::cpu_tactics()`. Tactic is what tactic/tactic.hpp calls so.
function(strop_generate_tactic_list result)
  strop_list_names(names ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp "\\.cpp")
  strop_list_lines(declarations "const Tactic& tactic_@name@();" ${names})
  strop_list_lines(entries "      &tactic_@name@()," ${names})
  list(LENGTH names count)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/tactic_list.cpp)
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [=[// Generated from the file names of src/backends/cpu/tactics.
#include <array>
#include <span>
#if __has_include("tactic/tactic.hpp")
#include "tactic/tactic.hpp"
#else
namespace strop {
struct Tactic;
}
#endif
namespace strop::cpu {
@declarations@
std::span<const Tactic* const> cpu_tactics();
std::span<const Tactic* const> cpu_tactics() {
  static const std::array<const Tactic*, @count@> tactics = {
@entries@  };
  return tactics;
}
}  // namespace strop::cpu
]=])
  set(${result} ${output} PARENT_SCOPE)
endfunction()

# src/backends/cpu/kernels/<name>_kernel.cpp defines
# `namespace strop::cpu { void register_<name>_kernel(KernelTable&); }`.
# Generates `void strop::cpu::register_all_kernels(KernelTable&)`, declared in backends/cpu/kernels/kernel_table.hpp.
function(strop_generate_kernel_list result)
  strop_list_names(names ${CMAKE_CURRENT_SOURCE_DIR}/*_kernel.cpp "\\.cpp")
  strop_list_lines(declarations "void register_@name@(KernelTable&);" ${names})
  strop_list_lines(entries "  register_@name@(table);" ${names})
  set(output ${CMAKE_CURRENT_BINARY_DIR}/kernel_list.cpp)
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [=[// Generated from the file names of src/backends/cpu/kernels.
#if __has_include("backends/cpu/kernels/kernel_table.hpp")
#include "backends/cpu/kernels/kernel_table.hpp"
#else
namespace strop::cpu {
class KernelTable;
}
#endif
namespace strop::cpu {
@declarations@
void register_all_kernels(KernelTable&);
void register_all_kernels([[maybe_unused]] KernelTable& table) {
@entries@}
}  // namespace strop::cpu
]=])
  set(${result} ${output} PARENT_SCOPE)
endfunction()

# src/backends/cuda/kernels/<name>.cuh, embedded as text. Generates
# `std::string_view strop::cuda::kernel_source(std::string_view name)`, declared in
# backends/cuda/codegen/kernel_source.hpp.
function(strop_embed_cuda_sources result)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/backends/cuda/kernels/*.cuh)
  list(SORT files)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/kernel_source.cpp)
  set(script ${CMAKE_SOURCE_DIR}/cmake/strop_embed_text.cmake)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} "-DFILES=${files}" -P ${script}
    DEPENDS ${files} ${script} COMMENT "CUDA sources as text" VERBATIM)
  set(${result} ${output} PARENT_SCOPE)
endfunction()

# src/backends/cuda/tactics/<name>.cpp defines `namespace strop::cuda { const Tactic& tactic_<name>(); }`.
# Generates `std::span<const Tactic* const> strop::cuda::cuda_tactics()`.
function(strop_generate_cuda_tactic_list result)
  strop_list_names(names ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp "\\.cpp")
  list(SORT names)
  strop_list_lines(declarations "const Tactic& tactic_@name@();" ${names})
  strop_list_lines(entries "      &tactic_@name@()," ${names})
  list(LENGTH names count)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/tactic_list.cpp)
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [=[// Generated from the file names of src/backends/cuda/tactics.
#include <array>
#include <span>

#include "tactic/tactic.hpp"
namespace strop::cuda {
@declarations@
std::span<const Tactic* const> cuda_tactics();
std::span<const Tactic* const> cuda_tactics() {
  static const std::array<const Tactic*, @count@> tactics = {
@entries@  };
  return tactics;
}
}  // namespace strop::cuda
]=])
  set(${result} ${output} PARENT_SCOPE)
endfunction()
