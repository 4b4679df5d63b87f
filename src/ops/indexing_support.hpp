// SPDX-License-Identifier: Apache-2.0
// What the operators that pick or write elements by index have in common. An index counts from the
// end of its axis where it is negative, and one out of range is an error of the run.
#pragma once

#include <algorithm>
#include <array>
#include <string>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {

// Where on an axis of this size the index points; -1: nowhere.
inline std::int64_t place_on_axis(std::int64_t index, std::int64_t size) {
  const std::int64_t place = index < 0 ? index + size : index;
  return place < size ? std::max<std::int64_t>(place, -1) : -1;
}

[[noreturn]] void refuse_index(const KernelContext& context, std::int64_t index, std::int64_t axis,
                               std::int64_t size);

// A C++ type that copies one element: an unsigned integer, two of them, or a string. Packed types
// are unpacked before (move_elements_support.hpp).
struct ElementOf16Bytes {
  std::uint64_t low, high;
};
template <class F>
void dispatch_element(DType dtype, F&& body) {
  if (dtype == DType::string) return body.template operator()<std::string>();
  if (bits_of(dtype) == 128) return body.template operator()<ElementOf16Bytes>();
  dispatch_width(bits_of(dtype), body);
}
template <class T>
const T* elements_of(const Tensor& tensor) {
  return reinterpret_cast<const T*>(tensor.data());
}
template <class T>
T* mutable_elements_of(Tensor& tensor) {
  return reinterpret_cast<T*>(tensor.mutable_data());
}

// Checks what gather_elements and scatter_elements ask of inputs 0 and 1: one rank, and on all
// other axes no more indices than elements. The axis counted from the front, or nothing while the
// rank of input 0 is unknown.
std::optional<std::int64_t> check_indices_along_axis(InferContext& context, std::int64_t axis);

// Where x (input 0) is a vector of known elements and the indices (input 1) are known numbers: the
// elements they name are those of output 0, which has one axis or none.
void pick_known_elements(InferContext& context);

// Calls visit(i, at) for every element i of `indices`, where `at` is the element of a tensor of
// shape `data` at the place of i, but on `axis` at the index. Elements that share their place on
// the other axes, and can thus name the same `at`, are visited by one thread in row-major order.
template <class F>
void for_each_index_along_axis(const KernelContext& context, const Shape& data,
                               const Tensor& indices, std::int64_t axis, F&& visit) {
  if (indices.size() == 0) return;
  std::vector<std::int64_t> owned;
  const std::int64_t* index = load_all<std::int64_t>(indices, owned);
  const AxisSplit split(indices.shape(), axis);
  const Shape strides = contiguous_strides(data);
  const std::int64_t size = data[static_cast<std::size_t>(axis)];
  const std::int64_t stride = strides[static_cast<std::size_t>(axis)];
  if (size == 0) refuse_index(context, index[0], axis, size);
  // The element of `data` with index 0 for a line, which is a place on the other axes.
  const auto start_of = [&](std::int64_t line) {
    std::int64_t start = 0;
    for (std::size_t a = data.size(); a-- > 0;) {
      if (a == static_cast<std::size_t>(axis)) continue;
      start += line % indices.shape()[a] * strides[a];
      line /= indices.shape()[a];
    }
    return start;
  };
  parallel_for(split.outer * split.inner, 1 + 16384 / split.size,
               [&](std::int64_t begin, std::int64_t end) {
                 std::array<std::int64_t, kChunk> starts;
                 for (std::int64_t line = begin; line < end;) {
                   // Lines that follow each other in memory go together, so that rows are read as
                   // rows.
                   const std::int64_t column = line % split.inner;
                   const std::int64_t count = std::min({kChunk, end - line, split.inner - column});
                   for (std::int64_t k = 0; k < count; ++k) {
                     starts[static_cast<std::size_t>(k)] = start_of(line + k);
                   }
                   std::int64_t row = line / split.inner * split.size * split.inner + column;
                   for (std::int64_t i = 0; i < split.size; ++i, row += split.inner) {
                     for (std::int64_t k = 0; k < count; ++k) {
                       const std::int64_t place = place_on_axis(index[row + k], size);
                       if (place < 0) refuse_index(context, index[row + k], axis, size);
                       visit(row + k, starts[static_cast<std::size_t>(k)] + place * stride);
                     }
                   }
                   line += count;
                 }
               });
}

// For indices whose last axis holds tuples, each naming a place on the axes of `data` from
// `batch_dims` on: the first element of the slice it names. Where there are batches, the leading
// axes of both count them.
std::vector<std::int64_t> tuple_offsets(const KernelContext& context, const Shape& data,
                                        const Tensor& indices, std::int64_t batch_dims);

// Axes of a tuple, that is the last size of input 1; nothing while it is unknown. Checked against
// the rank of input 0 where that is known.
std::optional<std::size_t> tuple_size(InferContext& context, std::int64_t batch_dims);

}  // namespace strop
