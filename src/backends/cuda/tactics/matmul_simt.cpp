// SPDX-License-Identifier: Apache-2.0
// Matrix products in exact FP32 with their epilogue.
#include "backends/cuda/tactics/gemm_tactic.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_simt();
namespace {

struct Family {
  static constexpr bool kTensorCores = false;
  static std::optional<GemmView> view(const Problem& problem, bool pack, std::string& refusal) {
    return view_as_product(problem, DType::f32, WeightOrder::k_outer, pack, refusal);
  }
  static constexpr auto configs = simt_configs;
  static constexpr auto step = simt_step;
};

}  // namespace

const Tactic& tactic_matmul_simt() {
  static const Tactic tactic{.name = "matmul_simt",
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
