// SPDX-License-Identifier: Apache-2.0
// CUDA C++ to machine code, with NVRTC: a library that needs neither a GPU nor a toolkit, opened
// when first needed. Safe from any thread; what was compiled once in this process, or with the
// kernel cache on disk on this machine, is not compiled again.
#pragma once

#include <string>
#include <string_view>

#include "base/tensor.hpp"
#include "tactic/device.hpp"

namespace strop::cuda {

struct CompiledKernel {
  Tensor image;         // u8: a cubin, with its PTX where later chips can run it (module_image.hpp)
  int registers = 0;    // of a thread, of the entry that needs most
  int spill_bytes = 0;  // stores and loads of spilled registers together
  int shared_bytes = 0;  // static
};

// "sm_90a" for 90: with the instructions of that very chip where it has such.
std::string architecture(int compute_capability);

// `source` is one translation unit that includes nothing and whose entries are extern "C". Throws
// Error(missing_library) without NVRTC, Error(library_mismatch) when it does not know the chip, and
// Error(internal) with the compiler's words when the source is wrong.
CompiledKernel compile(std::string_view source, int compute_capability);

// What was done so far in this process; seconds of all threads together.
struct CompileCounts {
  std::size_t compiled = 0, loaded = 0;  // now; from the kernel cache
  double seconds = 0;                    // for both
};
CompileCounts compile_counts();

// For people: "NVRTC 13.0 (path)", or why there is none.
std::string nvrtc_description();
// "13.0", empty without one; part of what timings depend on.
std::string nvrtc_version();

}  // namespace strop::cuda
