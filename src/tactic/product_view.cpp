// SPDX-License-Identifier: Apache-2.0
#include "tactic/product_view.hpp"

#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop {
namespace {

// A vector added first is the bias: the same sums in the same order, and oneDNN's fast code takes a
// residual only as its first post-op.
void take_bias(const Problem& problem, Product& product) {
  Epilogue& epilogue = product.view.epilogue;
  if (product.bias >= 0 || epilogue.empty() || epilogue[0].kind != EpilogueStep::binary) return;
  if (epilogue[0].function != "add" || problem.input_type(epilogue[0].input).rank() != 1) return;
  product.bias = epilogue[0].input;
  epilogue.erase(epilogue.begin());
}

std::optional<Product> read_matmul_or_gemm(const Problem& problem, std::string& refusal,
                                           Casts casts, RowSums row_sums) {
  Product product;
  if (auto view = view_as(problem, op_matmul(), refusal, casts, row_sums)) {
    product.view = std::move(*view);
    return product;
  }
  if (!refusal.empty()) return std::nullopt;
  auto view = view_as(problem, op_gemm(), refusal, casts, row_sums);
  if (!view) return std::nullopt;
  const auto& gemm = view->anchor->as<GemmAttributes>();
  product.view = std::move(*view);
  product.trans_a = gemm.trans_a;
  product.trans_b = gemm.trans_b;
  const std::int64_t c = product.view.input(2);
  if (gemm.alpha != 1 || (c >= 0 && gemm.beta != 1)) {
    refusal = "it takes no alpha or beta other than 1";
    return std::nullopt;
  }
  if (c < 0) return product;
  if (problem.input_type(static_cast<std::size_t>(c)).rank() == 1) {
    product.bias = c;
  } else {
    EpilogueStep add{
        .kind = EpilogueStep::binary, .function = "add", .input = static_cast<std::uint32_t>(c)};
    product.view.epilogue.insert(product.view.epilogue.begin(), std::move(add));
  }
  return product;
}

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

}  // namespace

std::optional<Product> read_product(const Problem& problem, std::string& refusal, Casts casts,
                                    RowSums row_sums) {
  auto product = read_matmul_or_gemm(problem, refusal, casts, row_sums);
  if (product) take_bias(problem, *product);
  return product;
}

std::optional<Product> read_product_by_matrix(const Problem& problem, std::string& refusal,
                                              Casts casts, RowSums row_sums) {
  auto product = read_product(problem, refusal, casts, row_sums);
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

std::string operands_not_f32(const Problem& problem) {
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (!problem.has_input(i)) continue;
    if (problem.input_type(i).dtype != DType::f32) {
      return "input " + std::to_string(i) + " is " +
             std::string(to_string(problem.input_type(i).dtype)) + ", this tactic is for f32";
    }
    if (problem.input_type(i).rank() < 0) return "the rank of an input is not known";
  }
  return {};
}

}  // namespace strop
