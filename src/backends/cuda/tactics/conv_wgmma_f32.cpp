// SPDX-License-Identifier: Apache-2.0
// What conv_wgmma.cpp does, of f32 that the kernel splits in two (gemm_products_f32.cuh).
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "ops/concat.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_wgmma_f32() {
  using Parts = WgmmaTactic<read_wgmma_conv, WgmmaFloats::single>;
  static const Tactic tactic{.name = "conv_wgmma_f32",
                             .backend = "cuda",
                             .ops = {op_conv, op_concat},
                             .reads_bodies = true,
                             .accepts = Parts::accepts,
                             .configs = Parts::configs,
                             .layouts = Parts::conv_layouts,
                             .lower = Parts::lower};
  return tactic;
}

}  // namespace strop::cuda
