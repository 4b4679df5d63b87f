// SPDX-License-Identifier: Apache-2.0
#include "passes/transposed_matrix.hpp"

#include "ir/evaluate.hpp"
#include "ops/transpose.hpp"

namespace strop {

Tensor transposed(const Tensor& matrix) {
  const Datum datum(matrix);
  const Datum* const inputs[] = {&datum};
  std::vector<Datum> outputs;
  evaluate_op(op_transpose(), TransposeAttributes{.perm = {1, 0}}, inputs, {}, 1, outputs);
  return outputs[0].tensor();
}

}  // namespace strop
