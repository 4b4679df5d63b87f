// SPDX-License-Identifier: Apache-2.0
// Element types, numbers and functions of one or two numbers as CUDA source. The texts use
// kernels/numbers.cuh, pointwise_functions.cuh and wide_functions.cuh.
#pragma once

#include <string>

#include "base/tensor.hpp"
#include "ops/binary.hpp"
#include "ops/unary.hpp"

namespace strop::cuda {

// Whether generated kernels read and write its elements: numbers of 8 bits and more, and bool.
bool has_element(DType dtype);
// f16 and bf16: functions with such results may be a little less exact.
bool is_half(DType dtype);
std::string element_type(DType dtype);  // as it lies in memory: "half_t"
std::string compute_type(DType dtype);  // what it is computed in: "float"
// An unsigned type as wide as the element, for kernels that move elements; empty where there is
// none.
std::string moved_type(DType dtype);

// The number that an element is, as a literal of its compute type.
std::string literal(const Tensor& tensor, std::int64_t index);
// A number as a literal of `dtype`'s compute type.
std::string literal(DType dtype, double value);
// Where a maximum (or minimum) of such elements starts.
std::string lowest_literal(DType dtype);
std::string highest_literal(DType dtype);

// Function calls on expressions of `dtype`'s compute type, with a result of that type.
std::string unary_source(const UnaryAttributes& attributes, DType dtype, const std::string& x);
std::string binary_source(BinaryFunction function, DType dtype, const std::string& a,
                          const std::string& b);

// What is left of a number of a compute type when it is stored as `dtype` and read again.
std::string rounded_source(DType dtype, const std::string& x);

}  // namespace strop::cuda
