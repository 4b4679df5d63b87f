// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of f32, f16 or bf16 with its epilogue, channels last; bound by memory.
#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/tactics/gemm_tactic.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_depthwise();
namespace {

struct Family {
  static std::optional<GemmView> view(const Problem& problem, bool pack, std::string& refusal) {
    const DType type = problem.output_type(0).dtype;
    return view_as_depthwise(problem, is_half(type) ? type : DType::f32, pack, refusal);
  }
  static std::vector<DepthwiseConfig> configs(const GemmProblem& gemm, int) {
    return depthwise_configs(gemm);
  }
  static LaunchStep step(const GemmProblem& gemm, const DepthwiseConfig& config, int chip) {
    return depthwise_step(gemm, config, chip);
  }
};
using Tiled = TiledTactic<Family, DepthwiseConfig>;

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return gemm_conv_layouts(problem, false);
}

}  // namespace

const Tactic& tactic_conv_depthwise() {
  static const Tactic tactic{.name = "conv_depthwise",
                             .backend = "cuda",
                             .ops = {op_conv},
                             .reads_bodies = true,
                             .accepts = Tiled::accepts,
                             .configs = Tiled::configs,
                             .layouts = layouts,
                             .lower = Tiled::lower};
  return tactic;
}

}  // namespace strop::cuda
