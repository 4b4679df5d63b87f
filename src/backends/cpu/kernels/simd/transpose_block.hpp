// SPDX-License-Identifier: Apache-2.0
// A matrix with its rows as columns, for elements of 1, 2, 4 or 8 bytes: what permutations of axes
// and changes of layout are made of.
#pragma once

#include <cstdint>

namespace strop::cpu {

// to[c * to_stride + r] = from[r * from_stride + c]; strides in elements. The two do not overlap.
using TransposeBlock = void (*)(const void* from, std::int64_t from_stride, void* to,
                                std::int64_t to_stride, std::int64_t rows, std::int64_t columns);

// Of this processor (isa.hpp) for elements of so many bytes; null for other widths.
TransposeBlock transpose_block(std::int64_t bytes);

}  // namespace strop::cpu
