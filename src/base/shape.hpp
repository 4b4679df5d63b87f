// SPDX-License-Identifier: Apache-2.0
// Concrete shapes and checked size arithmetic. No product or sum of sizes in Strop is computed
// without these.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.hpp"

namespace strop {

// Dimensions, outermost first. Every dimension is >= 0; an empty vector is a scalar.
using Shape = std::vector<std::int64_t>;

// Nothing on overflow.
std::optional<std::int64_t> try_mul(std::int64_t a, std::int64_t b);
std::optional<std::int64_t> try_add(std::int64_t a, std::int64_t b);

// Number of elements; throws Error(bad_shape) on a negative dimension or when it passes 2^63-1.
std::int64_t element_count(const Shape& shape);
// Bytes of a packed tensor of plain memory; throws like element_count.
std::int64_t byte_size(DType dtype, const Shape& shape);
// Distance in elements between neighbours along each axis of a contiguous tensor; throws like
// element_count.
Shape contiguous_strides(const Shape& shape);
// "[1,3,224,224]"
std::string to_string(const Shape& shape);

// Axis in [-rank, rank) to [0, rank); throws Error(bad_attribute) naming `what`.
std::int64_t normalize_axis(std::int64_t axis, std::int64_t rank, const char* what = "axis");

}  // namespace strop
