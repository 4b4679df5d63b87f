// SPDX-License-Identifier: Apache-2.0
// What conv_wgmma.cpp does, of f32 that the kernel splits in two (gemm_products_f32.cuh).
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "ops/concat.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_wgmma_f32() {
  static const Tactic tactic = WgmmaTactic<read_wgmma_conv<WgmmaFloats::single>>::of_convolutions(
      "conv_wgmma_f32", {op_conv, op_concat});
  return tactic;
}

}  // namespace strop::cuda
