// SPDX-License-Identifier: Apache-2.0
// What matmul and matmul_integer share: NumPy's rules for shapes, and the sums.
#pragma once

#include "ops/broadcast.hpp"
#include "ops/chunk.hpp"
#include "ops/product.hpp"

namespace strop {

// The type of a (input 0) times b (input 1).
inline Type infer_matrix_product(InferContext& context, DType dtype) {
  if (context.shape(0) == nullptr || context.shape(1) == nullptr) {
    return Type::tensor_of_unknown_rank(dtype);
  }
  SymShape a = *context.shape(0), b = *context.shape(1);
  context.require(!a.empty() && !b.empty(), ErrorCode::bad_shape, "scalars have no matrix product");
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), Dim(1));
  if (column) b.emplace_back(1);
  context.require_equal(a.back(), b[b.size() - 2], "the last axis of a and the rows of b");
  SymShape y = context.broadcast({a.begin(), a.end() - 2}, {b.begin(), b.end() - 2});
  if (!row) y.push_back(a[a.size() - 2]);
  if (!column) y.push_back(b.back());
  return Type::tensor(dtype, std::move(y));
}

inline constexpr std::int64_t kProductRows = 64,
                              kProductColumns = 512;  // of the part of y that a task computes

// Elements of a and b as C. Integer sums wrap.
template <class C>
void multiply_matrices(const C* left, Shape a_shape, const C* right, Shape b_shape, Tensor& y) {
  if (a_shape.size() == 1) a_shape.insert(a_shape.begin(), 1);
  if (b_shape.size() == 1) b_shape.push_back(1);
  const std::int64_t rows = a_shape[a_shape.size() - 2], depth = a_shape.back();
  const std::int64_t columns = b_shape.back();
  const Shape a_batch(a_shape.begin(), a_shape.end() - 2);
  const Shape b_batch(b_shape.begin(), b_shape.end() - 2);
  // One weight matrix for all of a's batches: a's axes are rows of one product.
  const std::int64_t b_matrices = element_count(b_batch);
  const bool folded = b_matrices == 1 && b_batch.size() <= a_batch.size();
  const std::int64_t y_rows = folded ? element_count(a_batch) * rows : rows;
  const std::int64_t batches = y_rows * columns > 0 ? y.size() / (y_rows * columns) : 0;
  std::vector<std::int64_t> a_start(static_cast<std::size_t>(batches)), b_start(a_start);
  if (!folded && batches > 0) {
    Shape batch(y.shape());
    batch.resize(std::max(a_batch.size(), b_batch.size()));
    const BroadcastWalk<2> walk(batch, {&a_batch, &b_batch});
    walk.for_each_run(1, [&](std::int64_t to, const auto& from, std::int64_t) {
      a_start[static_cast<std::size_t>(to)] = from[0] * rows * depth;
      b_start[static_cast<std::size_t>(to)] = from[1] * depth * columns;
    });
  }
  const std::int64_t down = (y_rows + kProductRows - 1) / kProductRows;
  const std::int64_t across = (columns + kProductColumns - 1) / kProductColumns;
  parallel_for(batches * down * across, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> sums(kProductRows * kProductColumns);
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first_column = task % across * kProductColumns;
      const std::int64_t first_row = task / across % down * kProductRows;
      const std::int64_t batch = task / across / down;
      const std::int64_t height = std::min(kProductRows, y_rows - first_row);
      const std::int64_t width = std::min(kProductColumns, columns - first_column);
      std::fill(sums.begin(), sums.end(), C(0));
      accumulate_product(left + a_start[static_cast<std::size_t>(batch)] + first_row * depth, depth,
                         right + b_start[static_cast<std::size_t>(batch)] + first_column, columns,
                         sums.data(), kProductColumns, height, width, depth);
      for (std::int64_t i = 0; i < height; ++i) {
        store_chunk<C>(y, (batch * y_rows + first_row + i) * columns + first_column, width,
                       sums.data() + i * kProductColumns);
      }
    }
  });
}

}  // namespace strop
