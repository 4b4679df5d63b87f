// SPDX-License-Identifier: Apache-2.0
// Products by a constant matrix in f16 and bf16 on Hopper's tensor cores, with bias and epilogue.
#include "backends/cuda/tactics/wgmma_support.hpp"
#include "base/error.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "tactic/product_view.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_wgmma();
namespace {

std::optional<WgmmaProblem> read(const Problem& problem, std::string& refusal) {
  const auto product = read_product_by_matrix(problem, refusal);
  if (!product) return std::nullopt;
  if (refusal = wgmma_refusal(problem); !refusal.empty()) return std::nullopt;
  const auto a = static_cast<std::size_t>(product->view.input(0));
  const auto b = static_cast<std::size_t>(product->view.input(1));
  const Tensor& weights = *problem.constant(b);
  const Type& output = problem.output_type(0);
  const std::int64_t rank = problem.input_type(a).rank();
  if (rank < 2 || !output.shape || output.rank() != rank) {
    refusal = "its first operand is no matrix, or of unknown rank";
  } else if (product->trans_a) {
    refusal = "its first operand is transposed";
  } else if (problem.input_type(a).dtype != output.dtype || weights.dtype() != output.dtype) {
    refusal = "its operands are of several types";
  }
  if (!refusal.empty()) return std::nullopt;
  WgmmaProblem out;
  out.a = a;
  out.weights = b;
  out.gemm.element = output.dtype;
  out.gemm.columns = weights.dim(product->trans_b ? 0 : 1);
  out.gemm.channels = weights.dim(product->trans_b ? 1 : 0);
  out.gemm.rows = 1;
  for (std::int64_t axis = 0; axis + 1 < rank; ++axis)
    out.gemm.rows = out.gemm.rows * size_of_input(problem, a, static_cast<std::size_t>(axis));
  out.weight_strides = product->trans_b ? std::array<std::int64_t, 3>{out.gemm.channels, 0, 1}
                                        : std::array<std::int64_t, 3>{1, 0, out.gemm.columns};
  if (product->bias >= 0 &&
      !add_bias(problem, static_cast<std::size_t>(product->bias), out, refusal))
    return std::nullopt;
  if (!add_steps(problem, product->view.epilogue, static_cast<std::size_t>(rank - 1), out, refusal))
    return std::nullopt;
  if (refusal = sm90::refusal(out.gemm); !refusal.empty()) return std::nullopt;
  return out;
}

WgmmaProblem accepted(const Problem& problem) {
  std::string refusal;
  auto out = read(problem, refusal);
  STROP_CHECK(out.has_value(), "a problem is lowered after it was accepted");
  return std::move(*out);
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  return read(problem, refusal) ? Acceptance::accept() : Acceptance::refuse(refusal);
}

std::vector<std::string> configs(const Problem& problem) {
  return wgmma_configs(problem, accepted(problem));
}

KernelChoice lower(const Problem& problem, std::string_view config) {
  return wgmma_choice(problem, accepted(problem), config);
}

}  // namespace

const Tactic& tactic_matmul_wgmma() {
  static const Tactic tactic{.name = "matmul_wgmma",
                             .backend = "cuda",
                             .ops = {op_matmul, op_gemm},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
