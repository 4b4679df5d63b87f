// SPDX-License-Identifier: Apache-2.0
// 1-D and 2-D convolutions with constant weights in f16 and bf16 on Hopper's tensor cores, channels
// innermost, with their bias and epilogue. Those of single pixels also take their input in pieces,
// as fuse_concat leaves it.
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "ops/concat.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_wgmma() {
  static const Tactic tactic = WgmmaTactic<read_wgmma_conv<WgmmaFloats::half>>::of_convolutions(
      "conv_wgmma", {op_conv, op_concat});
  return tactic;
}

}  // namespace strop::cuda
