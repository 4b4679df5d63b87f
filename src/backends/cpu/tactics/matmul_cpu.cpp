// SPDX-License-Identifier: Apache-2.0
// Matrix products (matmul and gemm, with bias and epilogue) of f32 tensors by a constant matrix.
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/pointwise_functions.hpp"
#include "backends/cpu/tactics/product_support.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::cpu {
const Tactic& tactic_matmul_cpu();
namespace {

// The kernel's bias has one number per column; one of size 1 is a step of the epilogue.
void fit_bias(const Problem& problem, Product& product, std::int64_t columns) {
  if (product.bias < 0) return;
  const Type& type = problem.input_type(static_cast<std::size_t>(product.bias));
  if (type.shape && (*type.shape)[0].is(columns)) return;
  product.view.epilogue.insert(product.view.epilogue.begin(),
                               EpilogueStep{.kind = EpilogueStep::binary,
                                            .function = "add",
                                            .input = static_cast<std::uint32_t>(product.bias)});
  product.bias = -1;
}

std::optional<Product> read(const Problem& problem, std::string& refusal) {
  auto product = read_product(problem, refusal);
  if (!product) return std::nullopt;
  const Tensor* weights = problem.constant(static_cast<std::size_t>(product->view.input(1)));
  if (weights == nullptr || weights->rank() != 2) {
    refusal = "its second operand is no constant matrix";
    return std::nullopt;
  }
  if (weights->size() == 0) {
    refusal = "its second operand is empty";
    return std::nullopt;
  }
  fit_bias(problem, *product, weights->dim(product->trans_b ? 0 : 1));
  return product;
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto product = read(problem, refusal);
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
  const auto product = read(problem, refusal);
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
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
