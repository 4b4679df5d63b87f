// SPDX-License-Identifier: Apache-2.0
// Exact products of bytes by a constant matrix on Hopper's tensor cores, requantised.
#include "backends/cuda/tactics/wgmma_support.hpp"
#include "ops/matmul_integer.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_wgmma_s8();
namespace {

std::optional<WgmmaProblem> read(const Problem& problem, std::string& refusal) {
  const std::int64_t rank = problem.output_type(0).rank();
  const auto view = view_as_quantized(problem, op_matmul_integer(), rank - 1, refusal);
  if (!view) return std::nullopt;
  if (refusal = wgmma_device_refusal(problem); !refusal.empty()) return std::nullopt;
  WgmmaProblem out;
  out.a = static_cast<std::size_t>(view->x);
  out.weights = static_cast<std::size_t>(view->w);
  const Tensor& weights = *problem.constant(out.weights);
  if (weights.rank() != 2) {
    refusal = "its weights are no matrix";
  } else if (rank < 2 || problem.input_type(out.a).rank() != rank ||
             !problem.output_type(0).shape) {
    refusal = "its first operand is no matrix, or of unknown rank";
  }
  if (!refusal.empty()) return std::nullopt;
  out.gemm.columns = weights.dim(1);
  out.gemm.channels = weights.dim(0);
  out.gemm.rows = 1;
  for (std::int64_t axis = 0; axis + 1 < rank; ++axis)
    out.gemm.rows = out.gemm.rows * size_of_input(problem, out.a, static_cast<std::size_t>(axis));
  out.weight_strides = {1, 0, out.gemm.columns};
  if (!add_requantize(problem, *view, out, refusal)) return std::nullopt;
  if (refusal = sm90::refusal(out.gemm); !refusal.empty()) return std::nullopt;
  return out;
}

}  // namespace

const Tactic& tactic_matmul_wgmma_s8() {
  static const Tactic tactic =
      WgmmaTactic<read>::of_products("matmul_wgmma_s8", {op_matmul_integer});
  return tactic;
}

}  // namespace strop::cuda
