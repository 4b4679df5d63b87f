# SPDX-License-Identifier: Apache-2.0
# cmake -DOUTPUT=file -DFILES=a.cuh;b.cuh -P: kernel_source.cpp, which holds the files' texts. Compilers limit a literal
# to 64 KiB, so each text is several literals of some lines.
set(bodies "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} lines)
  string(LENGTH "${lines}" length)
  set(pieces "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${lines}" ${at} 8000 piece)
    string(APPEND pieces "R\"STROPTEXT(${piece})STROPTEXT\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  string(APPEND bodies "  if (name == \"${name}\") return\n${pieces};\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from src/backends/cuda/kernels.
#include \"backends/cuda/codegen/kernel_source.hpp\"

#include \"base/error.hpp\"

namespace strop::cuda {
std::string_view kernel_source([[maybe_unused]] std::string_view name) {
${bodies}  check_failed(\"kernel_source\", __FILE__, __LINE__, \"there is no kernel source of that name\");
}
}  // namespace strop::cuda
")
