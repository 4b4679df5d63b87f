// SPDX-License-Identifier: Apache-2.0
// Elements that share a byte or are floats of 8 bits (and all that scalar_source.hpp has), read and
// written by their index as CUDA source. Texts use kernels/numbers.cuh and wide_functions.cuh.
#pragma once

#include <string>

#include "backends/cuda/codegen/kernel_writer.hpp"
#include "base/tensor.hpp"

namespace strop::cuda {

// Whether narrow_load reads such elements; not strings and complex numbers.
bool has_narrow_load(DType dtype);
// The type of a pointer to them.
std::string narrow_pointer(DType dtype);
// Element `index` of `pointer` as a number of the type that it is computed in (compute_type()).
std::string narrow_load(KernelWriter& writer, DType dtype, const std::string& pointer,
                        const std::string& index);
// How many elements share a byte; 1 where they do not.
int narrow_per_byte(DType dtype);
// `value`, a float where the type is one of 8 bits or less and else an integer, as the element's
// bits. `saturate`: what becomes of what floats of 8 bits cannot hold. Not for f8e8m0.
std::string narrow_bits(KernelWriter& writer, DType dtype, const std::string& value, bool saturate);

}  // namespace strop::cuda
