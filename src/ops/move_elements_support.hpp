// SPDX-License-Identifier: Apache-2.0
// One loop behind the operators that only move elements (transpose, slice, gather, pad, tile, ...).
// Works on every element type: by width, on strings, and on packed types through one byte each.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/tensor.hpp"

namespace strop {

// What an index along one axis of the result adds to the offset in x, in elements: start + index *
// step, or table[index] when there is a table. A table entry kFill makes the whole element the fill
// value.
struct AxisMap {
  static constexpr std::int64_t kFill = -1;

  std::int64_t size = 0;
  std::int64_t start = 0;
  std::int64_t step = 0;
  std::vector<std::int64_t> table{};
};

// y[i, j, ...] = x[sum of what the axes say]; `axes` are those of y, outermost first, and the
// offsets lie within x. `fill` has one element and may be null when no table holds kFill. y is not
// x's memory.
void move_elements(const Tensor& x, Tensor& y, std::vector<AxisMap> axes,
                   const Tensor* fill = nullptr);

// The axes of a plain copy of a tensor of this shape, for operators that change some of them.
std::vector<AxisMap> identity_axes(const Shape& shape);

// A table for `size` indices, zeros; throws Error(out_of_memory).
std::vector<std::int64_t> offset_table(std::int64_t size);

// All of x into y, which has as many elements of the same type; for operators whose result is x
// under another shape.
void copy_whole(const Tensor& x, Tensor& y);

// x repeated along its axes of size 1 (and new ones before them) to the shape of y.
void broadcast_elements(const Tensor& x, Tensor& y);

// The inputs one after the other along an axis of y; their sizes there add up to its size.
void concat_elements(std::span<const Tensor> inputs, Tensor& y, std::int64_t axis);

// The same elements with one byte each when the type is packed (the bits zero-extended, typed u8),
// else the tensor itself. Kernels that copy elements one by one work on these.
Tensor unpack_elements(const Tensor& x);
// The inverse, into the packed tensor y.
void pack_elements(const Tensor& unpacked, Tensor& y);

// Copies `count` elements between tensors of the same unpacked type.
void copy_elements(const Tensor& from, std::int64_t from_index, Tensor& to, std::int64_t to_index,
                   std::int64_t count);

}  // namespace strop
