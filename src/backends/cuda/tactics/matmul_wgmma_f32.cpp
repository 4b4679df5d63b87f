// SPDX-License-Identifier: Apache-2.0
// What matmul_wgmma.cpp does, of f32 that the kernel splits in two (gemm_products_f32.cuh).
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_wgmma_f32() {
  static const Tactic tactic = WgmmaTactic<read_wgmma_matmul<WgmmaFloats::single>>::of_products(
      "matmul_wgmma_f32", {op_matmul, op_gemm});
  return tactic;
}

}  // namespace strop::cuda
