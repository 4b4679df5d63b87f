// SPDX-License-Identifier: Apache-2.0
// Matrix products (matmul and gemm, with bias and epilogue) as a oneDNN primitive.
#include "backends/cpu/onednn_library.hpp"
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/tactics/anchor_support.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::cpu {
const Tactic& tactic_matmul_onednn();
namespace {

struct Product {
  AnchorView view;
  bool trans_a = false, trans_b = false;
  std::int64_t bias = -1;
};

// A vector added first is the bias: the same sums in the same order, and oneDNN's fast code takes a
// residual only as its first post-op.
void take_bias(const Problem& problem, Product& product) {
  Epilogue& epilogue = product.view.epilogue;
  if (product.bias >= 0 || epilogue.empty() || epilogue[0].kind != EpilogueStep::binary) return;
  if (epilogue[0].function != "add" || problem.input_type(epilogue[0].input).rank() != 1) return;
  product.bias = epilogue[0].input;
  epilogue.erase(epilogue.begin());
}

std::optional<Product> read_matmul_or_gemm(const Problem& problem, std::string& refusal) {
  Product product;
  if (auto view = view_as(problem, op_matmul(), refusal)) {
    product.view = std::move(*view);
    return product;
  }
  if (!refusal.empty()) return std::nullopt;
  auto view = view_as(problem, op_gemm(), refusal);
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

std::optional<Product> read_product(const Problem& problem, std::string& refusal) {
  auto product = read_matmul_or_gemm(problem, refusal);
  if (product) take_bias(problem, *product);
  return product;
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto product = read_product(problem, refusal);
  if (!product) return Acceptance::refuse(refusal);
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (!problem.has_input(i)) continue;
    if (problem.input_type(i).dtype != DType::f32) {
      return Acceptance::refuse("input " + std::to_string(i) + " is " +
                                std::string(to_string(problem.input_type(i).dtype)) +
                                ", this tactic is for f32");
    }
    if (problem.input_type(i).rank() < 0)
      return Acceptance::refuse("the rank of an input is not known");
  }
  const std::int64_t a =
      problem.input_type(static_cast<std::size_t>(product->view.input(0))).rank();
  const std::int64_t b =
      problem.input_type(static_cast<std::size_t>(product->view.input(1))).rank();
  if (a > 6 || b > 6) return Acceptance::refuse("it takes at most 6 axes");
  // A dropped axis would move under the operands of the epilogue.
  if ((a == 1 || b == 1) && (!product->view.epilogue.empty() || product->bias >= 0))
    return Acceptance::refuse("a 1-D operand with an epilogue");
  if (!onednn_takes(product->view.epilogue, refusal)) return Acceptance::refuse(refusal);
  if (!onednn_available()) return Acceptance::refuse(onednn_description());
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto product = read_product(problem, refusal);
  STROP_CHECK(product.has_value(), "a problem is lowered after it was accepted");
  Parameters parameters;
  parameters.set("inputs", std::vector<std::int64_t>{product->view.input(0), product->view.input(1),
                                                     product->bias});
  parameters.set("trans_a", std::int64_t{product->trans_a});
  parameters.set("trans_b", std::int64_t{product->trans_b});
  parameters.set("epilogue", to_text(product->view.epilogue));
  return {"matmul_onednn", parameters.text()};
}

}  // namespace

const Tactic& tactic_matmul_onednn() {
  static const Tactic tactic{.name = "matmul_onednn",
                             .backend = "cpu",
                             .ops = {op_matmul, op_gemm},
                             .accepts = accepts,
                             .configs = nullptr,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
