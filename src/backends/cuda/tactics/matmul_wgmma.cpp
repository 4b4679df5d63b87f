// SPDX-License-Identifier: Apache-2.0
// Products by a constant matrix in f16 and bf16 on Hopper's tensor cores, with bias and epilogue.
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_wgmma() {
  static const Tactic tactic = WgmmaTactic<read_wgmma_matmul<WgmmaFloats::half>>::of_products(
      "matmul_wgmma", {op_matmul, op_gemm});
  return tactic;
}

}  // namespace strop::cuda
