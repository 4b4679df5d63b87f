// SPDX-License-Identifier: Apache-2.0
// Products by a constant matrix in f16 and bf16 on Hopper's tensor cores, with bias and epilogue.
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_wgmma() {
  using Parts = WgmmaTactic<read_wgmma_matmul, WgmmaFloats::half>;
  static const Tactic tactic{.name = "matmul_wgmma",
                             .backend = "cuda",
                             .ops = {op_matmul, op_gemm},
                             .reads_bodies = true,
                             .accepts = Parts::accepts,
                             .configs = Parts::configs,
                             .lower = Parts::lower};
  return tactic;
}

}  // namespace strop::cuda
