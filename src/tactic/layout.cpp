// SPDX-License-Identifier: Apache-2.0
#include "tactic/layout.hpp"

#include <algorithm>
#include <cstring>

namespace strop {
namespace {

template <class S>
S to_channels_last(S shape) {
  STROP_CHECK(shape.size() >= 3, "channels_last is for rank 3 and more");
  std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
  return shape;
}

// Copies `outer` matrices of rows x columns as columns x rows.
void transpose(const std::byte* from, std::byte* to, std::int64_t outer, std::int64_t rows,
               std::int64_t columns, std::int64_t bytes) {
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        std::memcpy(to + ((o * columns + c) * rows + r) * bytes,
                    from + ((o * rows + r) * columns + c) * bytes, static_cast<std::size_t>(bytes));
      }
    }
  }
}

}  // namespace

bool OperandLayouts::is_plain() const {
  const auto plain = [](Layout layout) { return layout == Layout::plain; };
  return std::ranges::all_of(inputs, plain) && std::ranges::all_of(outputs, plain);
}

SymShape physical_shape(const SymShape& shape, Layout layout) {
  return layout == Layout::plain ? shape : to_channels_last(shape);
}

Shape physical_shape(const Shape& shape, Layout layout) {
  return layout == Layout::plain ? shape : to_channels_last(shape);
}

bool is_same_order(const SymShape& shape, Layout a, Layout b) {
  if (a == b || shape.size() < 3) return true;
  const auto is_one = [](const Dim& dim) { return dim.is(1); };
  return is_one(shape[1]) || std::all_of(shape.begin() + 2, shape.end(), is_one);
}

SymShape extended_shape(const SymShape& shape, std::size_t rank) {
  SymShape out(std::max(rank, shape.size()) - shape.size(), Dim(1));
  out.insert(out.end(), shape.begin(), shape.end());
  return out;
}

Tensor relayout(const Tensor& tensor, Layout to) {
  const int bits = bits_of(tensor.dtype());
  STROP_CHECK(bits >= 8, "elements of whole bytes are put into another order");
  Shape shape = tensor.shape();
  STROP_CHECK(shape.size() >= 3, "channels_last is for rank 3 and more");
  const std::int64_t outer = shape[0];
  std::int64_t rows, columns;
  if (to == Layout::channels_last) {
    rows = shape[1];
    columns = tensor.size() == 0 ? 0 : tensor.size() / (outer * rows);
    shape = to_channels_last(shape);
  } else {
    columns = shape.back();
    rows = tensor.size() == 0 ? 0 : tensor.size() / (outer * columns);
    std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
  }
  Tensor out = Tensor::allocate(tensor.dtype(), shape);
  if (tensor.size() > 0)
    transpose(tensor.data(), out.mutable_data(), outer, rows, columns, bits / 8);
  return out;
}

}  // namespace strop
