// SPDX-License-Identifier: Apache-2.0
// Matrix product under NumPy's rules. Sums are in float for the 16-bit types, modulo 2^bits for
// integers.
#include "ops/matmul.hpp"

#include "ir/evaluate.hpp"
#include "ops/broadcast.hpp"
#include "ops/chunk.hpp"
#include "ops/product.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  if (context.shape(0) == nullptr || context.shape(1) == nullptr) {
    return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
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
  context.set_output(0, dtype, std::move(y));
}

constexpr std::int64_t kRows = 64, kColumns = 512;  // of the part of y that a task computes

template <class C>
void multiply(const Tensor& a, const Tensor& b, Tensor& y) {
  Shape a_shape = a.shape(), b_shape = b.shape();
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
  std::vector<C> a_copy, b_copy;
  const C* left = load_all<C>(a, a_copy);
  const C* right = load_all<C>(b, b_copy);
  const std::int64_t down = (y_rows + kRows - 1) / kRows;
  const std::int64_t across = (columns + kColumns - 1) / kColumns;
  parallel_for(batches * down * across, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> sums(kRows * kColumns);
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first_column = task % across * kColumns;
      const std::int64_t first_row = task / across % down * kRows;
      const std::int64_t batch = task / across / down;
      const std::int64_t height = std::min(kRows, y_rows - first_row);
      const std::int64_t width = std::min(kColumns, columns - first_column);
      std::fill(sums.begin(), sums.end(), C(0));
      accumulate_product(left + a_start[static_cast<std::size_t>(batch)] + first_row * depth, depth,
                         right + b_start[static_cast<std::size_t>(batch)] + first_column, columns,
                         sums.data(), kColumns, height, width, depth);
      for (std::int64_t i = 0; i < height; ++i) {
        store_chunk<C>(y, (batch * y_rows + first_row + i) * columns + first_column, width,
                       sums.data() + i * kColumns);
      }
    }
  });
}

void reference(KernelContext& context) {
  const Tensor& a = context.input(0);
  dispatch_compute(compute_kind(a.dtype()),
                   [&]<class C>() { multiply<C>(a, context.input(1), context.output(0)); });
}

}  // namespace

const OpDef& op_matmul() {
  static const OpDef def{
      .name = "matmul",
      .summary = "matrix product over the last two axes, leading axes broadcast",
      .inputs = {{.name = "a", .types = kNumbers, .same_as = 'T'},
                 {.name = "b", .types = kNumbers, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kNumbers, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
