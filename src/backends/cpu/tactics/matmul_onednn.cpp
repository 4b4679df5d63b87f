// SPDX-License-Identifier: Apache-2.0
// Matrix products (matmul and gemm, with bias and epilogue) as a oneDNN primitive.
#include "backends/cpu/onednn_library.hpp"
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/tactics/anchor_support.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "tactic/product_view.hpp"

namespace strop::cpu {
const Tactic& tactic_matmul_onednn();
namespace {

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto product = read_product(problem, refusal);
  if (!product) return Acceptance::refuse(refusal);
  if (std::string why = operands_not_f32(problem); !why.empty())
    return Acceptance::refuse(std::move(why));
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
                             .opens_library = true,
                             .ops = {op_matmul, op_gemm},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = nullptr,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
