// SPDX-License-Identifier: Apache-2.0
// Determinants by elimination with partial pivoting, in double for every type; the result is
// rounded once. A matrix without elements has determinant 1.
#include "ops/det.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  const SymShape* x = context.shape(0);
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  context.require(x->size() >= 2, ErrorCode::bad_shape,
                  "needs a matrix, which has two axes, but x is " + context.input(0).to_string());
  context.require_equal((*x)[x->size() - 2], x->back(), "rows and columns of a matrix");
  context.set_output(0, dtype, {x->begin(), x->end() - 2});
}

// Destroys the matrix.
double determinant(std::vector<double>& a, std::int64_t n) {
  double product = 1;
  for (std::int64_t k = 0; k < n; ++k) {
    double* pivot = a.data() + k * n;
    for (std::int64_t i = k + 1; i < n; ++i) {
      if (std::abs(a[static_cast<std::size_t>(i * n + k)]) > std::abs(pivot[k])) {
        pivot = a.data() + i * n;
      }
    }
    double* row = a.data() + k * n;
    if (pivot != row) {
      std::swap_ranges(row + k, row + n, pivot + k);
      product = -product;
    }
    product *= row[k];
    if (row[k] == 0) continue;  // the product is 0 already, unless NaN is still to come
    for (std::int64_t i = k + 1; i < n; ++i) {
      double* below = a.data() + i * n;
      const double factor = below[k] / row[k];
      for (std::int64_t j = k + 1; j < n; ++j) below[j] -= factor * row[j];
    }
  }
  return product;
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const std::int64_t n = x.shape().back();
  parallel_for(y.size(), 1 + 4096 / (1 + n * n), [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> matrix(static_cast<std::size_t>(n * n));
    for (std::int64_t m = begin; m < end; ++m) {
      context.check_deadline();
      for (std::int64_t i = 0; i < n * n; ++i) {
        matrix[static_cast<std::size_t>(i)] = load_as_double(x.dtype(), x.data(), m * n * n + i);
      }
      store_from_double(y.dtype(), y.mutable_data(), m, determinant(matrix, n));
    }
  });
}

}  // namespace

const OpDef& op_det() {
  static const OpDef def{
      .name = "det",
      .summary = "the determinant of each matrix over the last two axes",
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
