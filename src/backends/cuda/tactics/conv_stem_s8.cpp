// SPDX-License-Identifier: Apache-2.0
// Exact convolution of an image of up to four channels of bytes, requantised, on the tensor cores
// of any chip: from the plain layout in which images come, or channels last, to channels last.
#include "backends/cuda/codegen/byte_view.hpp"
#include "backends/cuda/tactics/gemm_tactic.hpp"
#include "ops/conv_integer.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_stem_s8();
namespace {

struct Family {
  static constexpr auto view = view_as_byte_stem;
  static std::vector<StemConfig> configs(const GemmProblem& gemm, int) {
    return stem_configs(gemm);
  }
  static LaunchStep step(const GemmProblem& gemm, const StemConfig& config, int chip) {
    return stem_step(gemm, config, chip);
  }
};
using Tiled = TiledTactic<Family, StemConfig>;

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return byte_stem_layouts(problem);
}

}  // namespace

const Tactic& tactic_conv_stem_s8() {
  static const Tactic tactic{.name = "conv_stem_s8",
                             .backend = "cuda",
                             .ops = {op_conv_integer},
                             .reads_bodies = true,
                             .accepts = Tiled::accepts,
                             .configs = Tiled::configs,
                             .layouts = layouts,
                             .lower = Tiled::lower};
  return tactic;
}

}  // namespace strop::cuda
