// SPDX-License-Identifier: Apache-2.0
// Products of f32 matrices of which neither is a constant, with equal leading axes.
#include <algorithm>

#include "backends/cpu/parameters.hpp"
#include "ops/matmul.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_matmul_batch_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  const bool by_matrix = problem.constant(1) != nullptr && problem.input_type(1).rank() == 2;
  if (!problem.is(op_matmul()) || by_matrix) return Acceptance::refuse({});
  const Type &a = problem.input_type(0), &b = problem.input_type(1);
  if (a.dtype != DType::f32 || b.dtype != DType::f32) return Acceptance::refuse("it takes f32");
  if (!a.shape || !b.shape || a.rank() < 2 || a.rank() != b.rank() ||
      !std::equal(a.shape->begin(), a.shape->end() - 2, b.shape->begin())) {
    return Acceptance::refuse("the leading axes of its operands differ");
  }
  return Acceptance::accept();
}

KernelChoice lower(const Problem&, std::string_view) {
  return {"matmul_batch_f32", Parameters().text()};
}

}  // namespace

const Tactic& tactic_matmul_batch_cpu() {
  static const Tactic tactic{.name = "matmul_batch_cpu",
                             .backend = "cpu",
                             .ops = {op_matmul},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
