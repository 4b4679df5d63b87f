// SPDX-License-Identifier: Apache-2.0
// Matrix products (matmul and gemm, with bias and epilogue) of f32 tensors by a constant matrix.
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/pointwise_functions.hpp"
#include "backends/cpu/tactics/anchor_support.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "tactic/product_view.hpp"

namespace strop::cpu {
const Tactic& tactic_matmul_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto product = read_product_by_matrix(problem, refusal);
  if (!product) return Acceptance::refuse(refusal);
  if (std::string why = operands_not_f32(problem); !why.empty())
    return Acceptance::refuse(std::move(why));
  if (product->trans_a) return Acceptance::refuse("its first operand is transposed");
  if (problem.input_type(static_cast<std::size_t>(product->view.input(0))).rank() < 2)
    return Acceptance::refuse("a 1-D operand");
  if (problem.output_type(0).rank() < 2) return Acceptance::refuse("the rank of y is not known");
  for (const EpilogueStep& step : product->view.epilogue) {
    if (find_run_function(step) == nullptr)
      return Acceptance::refuse("there is no kernel for " + step.function);
  }
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto product = read_product_by_matrix(problem, refusal);
  STROP_CHECK(product.has_value(), "a problem is lowered after it was accepted");
  Parameters parameters;
  parameters.set("inputs", std::vector<std::int64_t>{product->view.input(0), product->view.input(1),
                                                     product->bias});
  parameters.set("trans_b", std::int64_t{product->trans_b});
  parameters.set("epilogue", to_text(product->view.epilogue));
  return {"matmul_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_matmul_cpu() {
  static const Tactic tactic{.name = "matmul_cpu",
                             .backend = "cpu",
                             .ops = {op_matmul, op_gemm},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
