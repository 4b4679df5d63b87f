// SPDX-License-Identifier: Apache-2.0
// Convolution of an image of up to four channels, f16 or bf16, with its epilogue, on the tensor
// cores of any chip: from the plain layout in which images come, or channels last, to channels
// last.
#include "backends/cuda/tactics/gemm_tactic.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_stem();
namespace {

struct Family {
  static std::optional<GemmView> view(const Problem& problem, bool pack, std::string& refusal) {
    const DType type = problem.output_type(0).dtype;
    return view_as_stem(problem, type == DType::bf16 ? type : DType::f16, pack, refusal);
  }
  static std::vector<StemConfig> configs(const GemmProblem& gemm, int) {
    return stem_configs(gemm);
  }
  static LaunchStep step(const GemmProblem& gemm, const StemConfig& config, int chip) {
    return stem_step(gemm, config, chip);
  }
};
using Tiled = TiledTactic<Family, StemConfig>;

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return stem_layouts(problem);
}

}  // namespace

const Tactic& tactic_conv_stem() {
  static const Tactic tactic{.name = "conv_stem",
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
