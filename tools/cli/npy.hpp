// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy format (numpy.lib.format, versions 1 to 3), little-endian.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/tensor.hpp"

namespace strop::cli {

// Bounded by the bytes given; `source` names them in errors. Throws Error(bad_argument). Fortran
// order is put into row-major. Booleans, integers, f16, f32, f64, complex numbers and unicode
// strings ("<U8").
Tensor read_npy(std::span<const std::byte> bytes, const std::string& source);

// Throws Error(bad_type) for element types that NumPy does not have; bf16 and FP8 are written as
// raw unsigned integers.
std::string write_npy(const Tensor& tensor);

}  // namespace strop::cli
