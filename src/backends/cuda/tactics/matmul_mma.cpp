// SPDX-License-Identifier: Apache-2.0
// Matrix products of f16 or bf16 with their epilogue on the tensor cores of any chip.
#include "backends/cuda/tactics/gemm_tactic.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_mma();
namespace {

struct Family {
  static constexpr bool kTensorCores = true;
  static std::optional<GemmView> view(const Problem& problem, bool pack, std::string& refusal) {
    const DType type = problem.output_type(0).dtype;
    const DType element = type == DType::bf16 ? type : DType::f16;
    return view_as_product(problem, element, WeightOrder::k_inner, pack, refusal);
  }
  static constexpr auto configs = mma_configs;
  static constexpr auto step = mma_step;
};

}  // namespace

const Tactic& tactic_matmul_mma() {
  static const Tactic tactic{.name = "matmul_mma",
                             .backend = "cuda",
                             .ops = {op_matmul, op_gemm},
                             .reads_bodies = true,
                             .accepts = GemmTactic<Family>::accepts,
                             .configs = GemmTactic<Family>::configs,
                             .slowdown = GemmTactic<Family>::slowdown,
                             .lower = GemmTactic<Family>::lower};
  return tactic;
}

}  // namespace strop::cuda
