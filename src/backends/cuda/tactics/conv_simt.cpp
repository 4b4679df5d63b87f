// SPDX-License-Identifier: Apache-2.0
// Convolution in exact FP32 with its epilogue, any window, any groups.
#include "backends/cuda/tactics/gemm_tactic.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_simt();
namespace {

struct Family {
  static constexpr bool kTensorCores = false;
  static std::optional<GemmView> view(const Problem& problem, bool pack, std::string& refusal) {
    return view_as_conv(problem, DType::f32, WeightOrder::k_outer, pack, refusal);
  }
  static constexpr auto configs = simt_configs;
  static constexpr auto step = simt_step;
};

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return gemm_conv_layouts(problem, true);
}

}  // namespace

const Tactic& tactic_conv_simt() {
  static const Tactic tactic{.name = "conv_simt",
                             .backend = "cuda",
                             .ops = {op_conv},
                             .reads_bodies = true,
                             .accepts = GemmTactic<Family>::accepts,
                             .configs = GemmTactic<Family>::configs,
                             .layouts = layouts,
                             .slowdown = GemmTactic<Family>::slowdown,
                             .lower = GemmTactic<Family>::lower};
  return tactic;
}

}  // namespace strop::cuda
