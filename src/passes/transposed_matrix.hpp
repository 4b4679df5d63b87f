// SPDX-License-Identifier: Apache-2.0
// Weights the other way round, for passes that turn a product.
#pragma once

#include "base/tensor.hpp"

namespace strop {

// [b, a] of a matrix [a, b].
Tensor transposed(const Tensor& matrix);

}  // namespace strop
