// SPDX-License-Identifier: Apache-2.0
// 1-D and 2-D convolutions with constant weights in f16 and bf16 on Hopper's tensor cores, channels
// innermost, with their bias and epilogue. Those of single pixels also take their input in pieces,
// as fuse_concat leaves it.
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "ops/concat.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_wgmma() {
  using Parts = WgmmaTactic<read_wgmma_conv, WgmmaFloats::half>;
  static const Tactic tactic{.name = "conv_wgmma",
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
