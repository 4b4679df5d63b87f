// SPDX-License-Identifier: Apache-2.0
// Convolution of f16 or bf16 with its epilogue on the tensor cores of any chip, channels last.
#include "backends/cuda/tactics/gemm_tactic.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_mma();
namespace {

struct Family {
  static constexpr bool kTensorCores = true;
  static std::optional<GemmView> view(const Problem& problem, bool pack, std::string& refusal) {
    const DType type = problem.output_type(0).dtype;
    const DType element = type == DType::bf16 ? type : DType::f16;
    Problem last = problem;
    last.layouts.outputs = {Layout::channels_last};
    return view_as_conv(last, element, WeightOrder::k_inner, pack, refusal);
  }
  static constexpr auto configs = mma_configs;
  static constexpr auto step = mma_step;
};

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return gemm_conv_layouts(problem, false);
}

}  // namespace

const Tactic& tactic_conv_mma() {
  static const Tactic tactic{.name = "conv_mma",
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
