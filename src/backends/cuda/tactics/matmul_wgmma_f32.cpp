// SPDX-License-Identifier: Apache-2.0
// What matmul_wgmma.cpp does, of f32 that the kernel splits in two (gemm_products_f32.cuh).
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_wgmma_f32() {
  using Parts = WgmmaTactic<read_wgmma_matmul, WgmmaFloats::single>;
  static const Tactic tactic{.name = "matmul_wgmma_f32",
                             .backend = "cuda",
                             .ops = {op_matmul, op_gemm},
                             .reads_bodies = true,
                             .accepts = Parts::accepts,
                             .configs = Parts::configs,
                             .lower = Parts::lower};
  return tactic;
}

}  // namespace strop::cuda
