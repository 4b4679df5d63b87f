// SPDX-License-Identifier: Apache-2.0
// Matrix product under NumPy's rules. Sums are in float for the 16-bit types, modulo 2^bits for
// integers.
#include "ops/matmul.hpp"

#include "ir/evaluate.hpp"
#include "ops/matrix_product.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.set_output(0, infer_matrix_product(context, context.dtype(0)));
}

void reference(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  dispatch_compute(compute_kind(a.dtype()), [&]<class C>() {
    std::vector<C> a_copy, b_copy;
    multiply_matrices<C>(load_all<C>(a, a_copy), a.shape(), load_all<C>(b, b_copy), b.shape(),
                         context.output(0));
  });
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
