// SPDX-License-Identifier: Apache-2.0
// Exact 1-D and 2-D convolutions of bytes on the tensor cores of any chip, channels last: their
// sums, floats made of them, or bytes by requantisation.
#include "backends/cuda/codegen/byte_view.hpp"
#include "backends/cuda/tactics/gemm_tactic.hpp"
#include "ops/conv_integer.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_mma_s8();
namespace {

struct Family {
  static constexpr bool kTensorCores = true;
  static constexpr auto view = view_as_byte_conv;
  static constexpr auto configs = byte_configs;
  static constexpr auto step = mma_step;
};

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return byte_conv_layouts(problem);
}

}  // namespace

const Tactic& tactic_conv_mma_s8() {
  static const Tactic tactic{.name = "conv_mma_s8",
                             .backend = "cuda",
                             .ops = {op_conv_integer},
                             .reads_bodies = true,
                             .accepts = GemmTactic<Family>::accepts,
                             .configs = GemmTactic<Family>::configs,
                             .layouts = layouts,
                             .slowdown = GemmTactic<Family>::slowdown,
                             .lower = GemmTactic<Family>::lower};
  return tactic;
}

}  // namespace strop::cuda
