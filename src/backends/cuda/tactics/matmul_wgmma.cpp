// SPDX-License-Identifier: Apache-2.0
// Products by a constant matrix in f16 and bf16 on Hopper's tensor cores, with bias and epilogue;
// also with rows that are normalised before it, or summed behind it, as fold_layer_norm leaves
// them.
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "ops/normalize_by_sums.hpp"

namespace strop::cuda {
const Tactic& tactic_matmul_wgmma() {
  static const Tactic tactic = WgmmaTactic<read_wgmma_matmul<WgmmaFloats::half>>::of_products(
      "matmul_wgmma", {op_matmul, op_gemm, op_normalize_by_sums});
  return tactic;
}

}  // namespace strop::cuda
